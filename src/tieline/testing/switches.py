"""How the practice provider behaves, and misbehaves. Every switch may be turned while it runs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal

from pydantic import TypeAdapter

Rotation = Literal["none", "grace", "until_used", "strict"]
TokenAnswer = Literal["json", "form", "html", "error_200", "error_400", "empty_400", "500", "429"]


@dataclass
class Switches:
    """Times are seconds. The defaults are a provider that behaves, with strict rotation."""

    access_token_lifetime: float | None = 3600
    """None: the token answer has no `expires_in` and the token does not expire."""
    issue_refresh_tokens: bool = True
    rotation: Rotation = "strict"
    """none: the refresh token stays. grace: the old one works for `grace_seconds` more. until_used: the old one works
    until what replaced it is used. strict: it is dead at once. A dead one that comes back ends its whole grant
    (RFC 9700, section 4.14)."""
    grace_seconds: float = 30

    token_answer: TokenAnswer = "json"  # noqa: S105  # an encoding
    """Everything but `json` and `form` answers without having processed the request."""
    token_error: str = "temporarily_unavailable"  # noqa: S105  # an error code
    """The `error` of `error_200` and `error_400`."""
    token_auth: list[Literal["post", "basic", "none"]] = field(default_factory=lambda: ["post", "basic"])
    """How the client may authenticate; `none`: by its id and PKCE alone."""
    slow_seconds: float = 0
    """The token endpoint waits so long between its work and its answer."""
    drop_answer: int = 0
    """So many token requests are processed, and then the connection is closed without an answer."""
    retry_after: int = 1
    """What answers 429 and 503 say in Retry-After."""

    require_pkce: bool = True
    consent: Literal["auto", "page"] = "auto"
    """auto: `current_user` has agreed already, and the browser is sent back at once."""
    current_user: str = "ada@practice.example"
    granted_scopes: list[str] | None = None
    """Of the scopes asked for, only these are granted; None: all."""
    revoke_fails: bool = False

    api_status: dict[str, int] = field(default_factory=dict[str, int])
    """Path (`/v1/me`, or `*` for all) -> the status that the API answers there, whoever asks."""
    api_slow: float = 0
    rate_limit: int | None = None
    """Calls that one caller may make in `rate_limit_seconds`; the next is answered 429."""
    rate_limit_seconds: float = 60

    def turn(self, changes: Mapping[str, object]) -> None:
        """Set the named switches, all or none. Raises ValueError for an unknown one or a value of the wrong type."""
        unknown = changes.keys() - {each.name for each in fields(self)}
        if unknown:
            raise ValueError(f"no such switch: {', '.join(sorted(unknown))}")
        turned = TypeAdapter(Switches).validate_python(asdict(self) | dict(changes))
        for name in changes:
            setattr(self, name, getattr(turned, name))
