"""What the authorization server remembers: grants, codes and tokens, and the rules of their use. No HTTP in here."""

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from tieline.testing.switches import Switches


class TokenFault(Exception):
    """An error answer of the token endpoint (RFC 6749, section 5.2)."""

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status


@dataclass
class Grant:
    """What one person allowed; `user` is None when the client acts for itself."""

    user: str | None
    scopes: tuple[str, ...]
    alive: bool = True


@dataclass(frozen=True)
class Approval:
    """A person's yes, for which a code is issued."""

    user: str
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: str | None


@dataclass
class RefreshToken:
    grant: Grant
    parent: "RefreshToken | None" = None
    retired_at: float | None = None
    superseded: bool = False


@dataclass
class AccessToken:
    grant: Grant
    expires_at: float | None
    made_by: RefreshToken | None = None


@dataclass
class Code:
    approval: Approval
    issued_at: float
    grant: Grant | None = None


@dataclass
class Ledger:
    """All state of the authorization server. `switches` is asked at every use, so that it may change or be replaced."""

    switches: Callable[[], Switches]
    clock: Callable[[], float]
    grants: list[Grant] = field(default_factory=list[Grant])
    codes: dict[str, Code] = field(default_factory=dict[str, Code])
    access_tokens: dict[str, AccessToken] = field(default_factory=dict[str, AccessToken])
    refresh_tokens: dict[str, RefreshToken] = field(default_factory=dict[str, RefreshToken])

    def issue_code(self, approval: Approval) -> str:
        code = "pc_" + secrets.token_urlsafe(24)
        self.codes[code] = Code(approval, self.clock())
        return code

    def redeem_code(self, value: str, *, redirect_uri: str, verifier: str) -> dict[str, object]:
        """The token answer for a code. A code that comes twice ends the grant made by it (RFC 6749, section 4.1.2)."""
        code = self.codes.get(value)
        if code is None:
            raise TokenFault("invalid_grant", "The code is not known.")
        if code.grant is not None:
            code.grant.alive = False
            raise TokenFault("invalid_grant", "The code was used before; its grant has been revoked.")
        if self.clock() > code.issued_at + 60:
            raise TokenFault("invalid_grant", "The code has expired.")
        if redirect_uri != code.approval.redirect_uri:
            raise TokenFault("invalid_grant", "redirect_uri is not the one of the authorization request.")
        if _challenge(verifier) != code.approval.challenge:
            raise TokenFault("invalid_grant", "code_verifier does not fit the code_challenge.")
        code.grant = self.open_grant(code.approval.user, code.approval.scopes)
        return self.issue(code.grant)

    def open_grant(self, user: str | None, scopes: tuple[str, ...]) -> Grant:
        grant = Grant(user, scopes)
        self.grants.append(grant)
        return grant

    def issue(self, grant: Grant, *, after: RefreshToken | None = None) -> dict[str, object]:
        """The token answer (RFC 6749, section 5.1) for a grant; `after` is the refresh token that asks for it."""
        lifetime = self.switches().access_token_lifetime
        access = "pa_" + secrets.token_urlsafe(24)
        expires_at = None if lifetime is None else self.clock() + lifetime
        self.access_tokens[access] = AccessToken(grant, expires_at, after)
        answer: dict[str, object] = {"access_token": access, "token_type": "Bearer", "scope": " ".join(grant.scopes)}
        if lifetime is not None:
            answer["expires_in"] = int(lifetime)
        if self._gives_refresh_token(grant, after):
            refresh = "pr_" + secrets.token_urlsafe(24)
            self.refresh_tokens[refresh] = RefreshToken(grant, after)
            answer["refresh_token"] = refresh
        return answer

    def refresh(self, value: str) -> dict[str, object]:
        """The token answer for a refresh token, by the rotation that is switched on."""
        token = self.refresh_tokens.get(value)
        if token is None or not token.grant.alive:
            raise TokenFault("invalid_grant", "The refresh token is not known, or its grant was revoked.")
        if self._is_dead(token):
            token.grant.alive = False
            raise TokenFault("invalid_grant", "The refresh token was replaced before; its grant has been revoked.")
        if token.retired_at is None:
            token.retired_at = self.clock()
        _supersede(token.parent)
        return self.issue(token.grant, after=token)

    def use(self, value: str) -> Grant | None:
        """The grant behind an access token that is valid now."""
        token = self.access_tokens.get(value)
        if token is None or not token.grant.alive:
            return None
        if token.expires_at is not None and self.clock() >= token.expires_at:
            return None
        _supersede(token.made_by)
        return token.grant

    def revoke(self, value: str) -> bool:
        """End an access token, or with a refresh token its whole grant (RFC 7009, section 2.1). False: not known."""
        if (refresh := self.refresh_tokens.pop(value, None)) is not None:
            refresh.grant.alive = False
            return True
        return self.access_tokens.pop(value, None) is not None

    def forget(self, user: str | None = None) -> int:
        """Revoke every grant, or every grant of one person; the number of those that were alive."""
        ended = [each for each in self.grants if each.alive and user in (None, each.user)]
        for grant in ended:
            grant.alive = False
        return len(ended)

    def expire(self) -> int:
        """Every access token issued so far has expired now; their number."""
        for token in self.access_tokens.values():
            token.expires_at = self.clock()
        return len(self.access_tokens)

    def _gives_refresh_token(self, grant: Grant, after: RefreshToken | None) -> bool:
        switches = self.switches()
        if after is not None and switches.rotation == "none":
            return False
        return switches.issue_refresh_tokens and grant.user is not None

    def _is_dead(self, token: RefreshToken) -> bool:
        switches = self.switches()
        match switches.rotation:
            case "none":
                return False
            case "grace":
                return token.retired_at is not None and self.clock() >= token.retired_at + switches.grace_seconds
            case "until_used":
                return token.superseded
            case "strict":
                return token.retired_at is not None


def _supersede(token: RefreshToken | None) -> None:
    while token is not None and not token.superseded:
        token.superseded = True
        token = token.parent


def _challenge(verifier: str) -> str | None:
    """The S256 challenge of a verifier (RFC 7636, section 4.2)."""
    if not verifier:
        return None
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
