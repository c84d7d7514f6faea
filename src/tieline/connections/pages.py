"""What the browser gets at each step of a connect flow, as values; the face renders them."""

from dataclasses import dataclass, field

from tieline.secret import Secret


@dataclass(frozen=True)
class Choice:
    """One auth method to choose."""

    name: str
    label: str
    description: str


@dataclass(frozen=True)
class Field:
    """One input to type. `value` is never a secret's; `error` says what is wrong with it.

    `when` is the condition under which it counts, in words; the empty text: always.
    """

    name: str
    label: str
    type: str
    help: str = ""
    example: str = ""
    value: str = ""
    prefix: str = ""
    suffix: str = ""
    required: bool = True
    secret: bool = False
    options: tuple[tuple[str, str], ...] = ()
    when: str = ""
    error: str = ""


@dataclass(frozen=True)
class Subject:
    """Who connects what, for whom: shown on every page.

    `end_user` is empty for a connection that belongs to the organization itself. `embed_origin` is the one site that
    may show the pages in a frame.
    """

    application: str
    organization: str
    provider: str
    logo_url: str | None
    end_user: str
    end_user_id: str
    embed_origin: str | None = None
    scopes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Form:
    """The page of a session: a choice of methods, or the fields of the one chosen; nothing is consumed by opening it.

    `leaves` is whether the browser goes to the provider next. `redirect_uri` is to be registered there by a user who
    brings a client of his own. `several` is whether another method could have been chosen.
    """

    subject: Subject
    method: str | None
    choices: tuple[Choice, ...] = ()
    fields: tuple[Field, ...] = ()
    leaves: bool = True
    message: str = ""
    redirect_uri: str = ""
    several: bool = False


@dataclass(frozen=True)
class Redirect:
    """`browser` is the value of the binding cookie."""

    url: Secret
    browser: Secret | None = None


@dataclass(frozen=True)
class Confirm:
    """The interstitial, where no application completes: names who receives what, before anything is exchanged.

    `message` says why it did not work a moment ago.
    """

    subject: Subject
    nonce: Secret
    browser: Secret | None = None
    message: str = ""


@dataclass(frozen=True)
class Posted:
    """In an iframe or popup: the nonce goes to one exact origin."""

    subject: Subject
    origin: str
    nonce: Secret


@dataclass(frozen=True)
class Ended:
    """A page of ours at the end, good or bad. `code` is a problem's, never the provider's prose."""

    ok: bool
    title: str
    detail: str
    code: str = ""
    subject: Subject | None = field(default=None)


Page = Form | Redirect | Confirm | Posted | Ended
