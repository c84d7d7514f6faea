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
    """One input to type. `value` is never a secret's; `error` says what is wrong and how to mend it."""

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
    error: str = ""


@dataclass(frozen=True)
class Subject:
    """Who connects what, for whom: shown on every page. `ends_at` is when the session does."""

    application: str
    provider: str
    logo_url: str | None
    end_user: str
    scopes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Form:
    """The page of a session: a choice of methods, or the fields of the one chosen; nothing is consumed by opening it.

    `leaves` is whether the browser goes to the provider next.
    """

    subject: Subject
    method: str | None
    choices: tuple[Choice, ...] = ()
    fields: tuple[Field, ...] = ()
    leaves: bool = True
    message: str = ""


@dataclass(frozen=True)
class Redirect:
    """`browser` is a new value for the binding cookie, if it is to be set."""

    url: Secret
    browser: Secret | None = None


@dataclass(frozen=True)
class Confirm:
    """The interstitial, where no application completes: names who receives what, before anything is exchanged."""

    subject: Subject
    nonce: Secret


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
