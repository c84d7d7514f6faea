"""A credential's material as one value: what a provider granted, and the secret inputs. Pure."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

from tieline.errors import ProviderUnreadable
from tieline.protocols.oauth2 import granted
from tieline.secret import Secret

Tokens = Mapping[str, Mapping[str, Secret]]

_CREDENTIAL = frozenset(
    {
        *("accessToken", "refreshToken", "idToken", "tokenType"),
        *("scope", "expiresIn", "expiresAt", "refreshExpiresIn"),
    }
)
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_LARGEST = 10**300
"""A provider may answer more digits than a float has room for."""
_CENTURY = 100 * 366 * 86_400


@dataclass(frozen=True)
class Grant:
    """`values` are secret inputs and what a flow captured: they live and die with the credential.

    `client_id` is whom it was given to. `refusals` counts the renewals in a row that a refused access token was the
    reason of.
    """

    access_token: Secret | None = None
    refresh_token: Secret | None = None
    id_token: Secret | None = None
    token_type: str | None = None
    scopes: tuple[str, ...] = ()
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    client_id: str | None = None
    refusals: int = 0
    tokens: Tokens = field(default_factory=dict[str, Mapping[str, Secret]], repr=False)
    values: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)

    def dump(self) -> bytes:
        """For the vault alone."""
        tokens = {name: {key: each.reveal() for key, each in token.items()} for name, token in self.tokens.items()}
        material = {
            "accessToken": _reveal(self.access_token),
            "refreshToken": _reveal(self.refresh_token),
            "idToken": _reveal(self.id_token),
            "tokenType": self.token_type,
            "scopes": list(self.scopes),
            "issuedAt": self.issued_at and self.issued_at.isoformat(),
            "expiresAt": self.expires_at and self.expires_at.isoformat(),
            "refreshExpiresAt": self.refresh_expires_at and self.refresh_expires_at.isoformat(),
            "clientId": self.client_id,
            "refusals": self.refusals,
            "tokens": tokens,
            "values": dict(self.values),
        }
        return json.dumps(material).encode()

    @classmethod
    def load(cls, blob: bytes) -> "Grant":
        material: dict[str, Any] = json.loads(blob)
        return cls(
            access_token=_secret(material["accessToken"]),
            refresh_token=_secret(material["refreshToken"]),
            id_token=_secret(material["idToken"]),
            token_type=material["tokenType"],
            scopes=tuple(material["scopes"]),
            issued_at=_time(material["issuedAt"]),
            expires_at=_time(material["expiresAt"]),
            # Grants of before lack these.
            refresh_expires_at=_time(material.get("refreshExpiresAt")),
            client_id=material.get("clientId"),
            refusals=material.get("refusals", 0),
            tokens={
                name: {key: Secret(value) for key, value in token.items()} for name, token in material["tokens"].items()
            },
            values=material["values"],
        )

    def variables(self) -> dict[str, object]:
        """What templates read of it: `credential.*` and `tokens.<name>.*`, in the clear."""
        credential = {
            "accessToken": _reveal(self.access_token),
            "refreshToken": _reveal(self.refresh_token),
            "idToken": _reveal(self.id_token),
            "scope": " ".join(self.scopes),
            "expiresAt": self.expires_at,
        }
        tokens = {name: {key: each.reveal() for key, each in token.items()} for name, token in self.tokens.items()}
        return {"credential": credential, "tokens": tokens}


def read_grant(
    captured: Mapping[str, object],
    *,
    now: datetime,
    asked: tuple[str, ...] = (),
    lifetime: int | None = None,
    was: Grant | None = None,
    keep_refresh_token: Literal["ifMissing", "always", "never"] = "ifMissing",  # noqa: S107  a rule, not a password
) -> Grant:
    """The grant in a token answer's captured targets; `was` is the one it renews.

    Expiry counts from now, since clocks differ. Raises ProviderUnreadable when there is no access token.
    """
    access_token = captured.get("accessToken")
    if not isinstance(access_token, str) or not access_token:
        raise ProviderUnreadable("The token endpoint answered without an access token.")
    before = was or Grant()
    new_refresh = _text(captured.get("refreshToken"))
    old_refresh = before.refresh_token
    match keep_refresh_token:
        case "always":
            refresh = old_refresh or new_refresh
        case "never":
            refresh = new_refresh
        case _:
            refresh = new_refresh or old_refresh
    fallback = before.scopes if was else asked
    return Grant(
        access_token=Secret(access_token),
        refresh_token=refresh,
        id_token=_text(captured.get("idToken")) or before.id_token,
        token_type=str(captured.get("tokenType") or before.token_type or "Bearer"),
        scopes=granted(captured.get("scope"), asked=fallback),
        issued_at=now,
        expires_at=_expiry(captured, access_token, now=now, lifetime=lifetime),
        refresh_expires_at=_refresh_expiry(captured, before, refresh, now=now),
        tokens=_tokens(captured, before.tokens),
        values={**before.values, **variables_in(captured)},
    )


def variables_in(captured: Mapping[str, object]) -> dict[str, object]:
    """The captured targets that are inputs, not parts of the credential."""
    return {name: value for name, value in captured.items() if name not in _CREDENTIAL and "." not in name}


def with_values(grant: Grant, values: Mapping[str, object]) -> Grant:
    """A captured value never overwrites what a person typed."""
    return replace(grant, values={**grant.values, **values})


def _tokens(captured: Mapping[str, object], before: Tokens) -> Tokens:
    tokens = {name: dict(token) for name, token in before.items()}
    for target, value in captured.items():
        parts = target.split(".")
        if len(parts) == 3 and parts[0] == "tokens" and isinstance(value, str):
            tokens.setdefault(parts[1], {})[parts[2]] = Secret(value)
    return tokens


def _expiry(
    captured: Mapping[str, object], access_token: str, *, now: datetime, lifetime: int | None
) -> datetime | None:
    """Captured expiresIn or expiresAt, else the token's own exp when it is a JWT, else the document's lifetime."""
    seconds = _number(captured.get("expiresIn"))
    if seconds is not None:
        return now + timedelta(seconds=min(max(seconds, 0), _CENTURY)) if seconds > 0 else None
    if (moment := _moment(captured.get("expiresAt"))) is not None:
        return moment
    if (exp := _jwt_exp(access_token)) is not None:
        return exp
    return now + timedelta(seconds=lifetime) if lifetime else None


def _refresh_expiry(
    captured: Mapping[str, object], before: Grant, refresh: Secret | None, *, now: datetime
) -> datetime | None:
    """Of the refresh token, where the provider says it; that of before belongs to the same token only."""
    seconds = _number(captured.get("refreshExpiresIn"))
    if refresh is None or (seconds is not None and seconds <= 0):
        return None
    if seconds is not None:
        return now + timedelta(seconds=min(seconds, _CENTURY))
    return before.refresh_expires_at if refresh == before.refresh_token else None


def _moment(value: object) -> datetime | None:
    """Epoch seconds, epoch milliseconds or ISO 8601."""
    number = _number(value)
    try:
        if number is not None:
            return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
        if isinstance(value, str) and value:
            moment = datetime.fromisoformat(value)
            # In UTC here, where a moment that has none at either end of the calendar is no expiry.
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _jwt_exp(token: str) -> datetime | None:
    """Read without verifying: it only says when to refresh."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return _moment(cast(dict[str, object], claims).get("exp")) if isinstance(claims, dict) else None


def _number(value: object) -> float | None:
    match value:
        case bool():
            return None
        case int():
            return float(max(-_LARGEST, min(value, _LARGEST)))
        case float():
            return value
        case str() if _NUMBER.fullmatch(value.strip()):
            return float(value)
        case _:
            return None


def _text(value: object) -> Secret | None:
    return Secret(value) if isinstance(value, str) and value else None


def _reveal(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
