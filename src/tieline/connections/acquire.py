"""Gets a grant from a provider: by a code, by client credentials, by a refresh token. Talks, and stores nothing."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from tieline.connections.access import Access
from tieline.connections.grant import read_grant
from tieline.egress import Egress
from tieline.errors import (
    CodeExpired,
    NotConfigured,
    NotConnectable,
    ProviderRefused,
    ProviderUnavailable,
    ProviderUnreadable,
    ReconnectRequired,
    TielineError,
)
from tieline.manifest import OAuth2, Request
from tieline.manifest.templates import Missing, Unrenderable, passes
from tieline.protocols import oauth2 as protocol
from tieline.runner import Outcome, Setting, error_code, retry_after, run

_CLIENT_ERRORS = {"invalid_client", "unauthorized_client"}
_BUSY_ERRORS = {"temporarily_unavailable", "server_error"}
"""RFC 6749, section 4.1.2.1; token endpoints answer them as well, some with status 200."""
DEADLINE = 20.0
"""Seconds; under half of the lease on a refresh."""


async def by_code(
    access: Access,
    egress: Egress,
    *,
    now: datetime,
    code: str,
    redirect_uri: str,
    verifier: str,
    scopes: tuple[str, ...],
    callback: Mapping[str, object],
) -> Access:
    """Exchanges the code (RFC 6749, section 4.1.3). Raises CodeExpired, NotConfigured, ProviderUnavailable,
    ProviderUnreadable, ProviderRefused."""
    oauth = access.oauth(scopes, code=code, redirectUri=redirect_uri, codeVerifier=verifier)
    request = protocol.code_request(_oauth2(access))
    try:
        return await _token_call(access, request, egress, now=now, scopes=scopes, oauth=oauth, callback=callback)
    except ProviderRefused as refused:
        if refused.facts.get("error") == "invalid_grant":
            raise CodeExpired("The provider no longer takes this code. Start again; it takes a minute.") from refused
        raise


async def by_client_credentials(access: Access, egress: Egress, *, now: datetime, scopes: tuple[str, ...]) -> Access:
    """RFC 6749, section 4.4. Raises as `by_code` does."""
    request = protocol.client_credentials_request(_oauth2(access))
    return await _token_call(access, request, egress, now=now, scopes=scopes, oauth=access.oauth(scopes))


async def renewed(access: Access, egress: Egress, *, now: datetime) -> Access:
    """The account with a new grant (RFC 6749, section 6). Raises ReconnectRequired when only the user can mend it."""
    match access.method.renewal:
        case "refresh_token" if access.grant.refresh_token is None:
            raise ReconnectRequired("The access token is over, and the provider gave no refresh token.")
        case "refresh_token":
            oauth = access.oauth(access.grant.scopes)
            request = protocol.refresh_request(_oauth2(access), access.method.refresh)
            return await _token_call(access, request, egress, now=now, scopes=access.grant.scopes, oauth=oauth)
        case "reacquire" if access.method.oauth2 is not None:
            return await by_client_credentials(access, egress, now=now, scopes=access.grant.scopes)
        case _:
            raise ReconnectRequired("This credential cannot be renewed.")


async def run_on_connect(access: Access, egress: Egress, *, now: datetime) -> Access:
    """The calls that the document wants after the credential exists; what they capture is kept."""
    for request in access.method.on_connect:
        try:
            outcome = await run(request, access.setting("onConnect"), egress, now=now)
        except (Missing, Unrenderable) as error:
            outcome = Outcome(None, {}, {}, ProviderRefused(f"A call after connecting cannot be made: {error}"))
        if outcome.problem is not None and not request.optional:
            raise outcome.problem
        access = access.with_captured(outcome.captured)
    return access


async def revoke(access: Access, egress: Egress, *, now: datetime) -> TielineError | None:
    """Tells the provider that the credential is no longer used (RFC 7009, and the document's own calls).

    The first problem, or None. It never stops a deletion: what cannot be revoked upstream is shredded all the same.
    """
    problem: TielineError | None = None
    for request, setting in _revocations(access):
        try:
            outcome = await run(request, setting, egress, now=now)
        except TielineError as refused:
            outcome = Outcome(None, {}, {}, refused)
        except (Missing, Unrenderable) as error:
            outcome = Outcome(None, {}, {}, ProviderRefused(f"The revocation cannot be made: {error}"))
        problem = problem or outcome.problem
    return problem


def _revocations(access: Access) -> list[tuple[Request, Setting]]:
    calls = [(request, access.setting("revoke")) for request in access.method.revoke]
    oauth2 = access.method.oauth2
    if oauth2 is not None and oauth2.revoke_url is not None:
        # The refresh token first: revoking it takes the access tokens with it (RFC 7009, section 2.1).
        tokens = (("refresh_token", access.grant.refresh_token), ("access_token", access.grant.access_token))
        for hint, token in tokens:
            if token is not None:
                oauth = {"token": token.reveal(), "tokenTypeHint": hint}
                calls.append((protocol.revoke_request(oauth2), access.client_setting("revoke", oauth=oauth)))
    return calls


async def _token_call(
    access: Access, request: Request, egress: Egress, *, now: datetime, scopes: tuple[str, ...], **more: object
) -> Access:
    time = asyncio.get_running_loop().time
    began = time()
    try:
        outcome = await run(request, access.client_setting("token", **more), egress, now=now, deadline=DEADLINE)
    except (Missing, Unrenderable) as error:
        raise NotConfigured(f"The token call cannot be made: {error}") from error
    captured = _judged(access, outcome)
    refresh = access.method.refresh
    grant = read_grant(
        captured,
        # A life counts from the answer, which may take long.
        now=now + timedelta(seconds=time() - began),
        asked=scopes,
        lifetime=access.method.lifetime,
        was=access.grant,
        keep_refresh_token=refresh.keep_refresh_token,
    )
    kept = {**access.grant.values, **access.untyped(captured)}
    return replace(access, grant=replace(grant, values=kept, client_id=client_id(access)))


def client_id(access: Access) -> str | None:
    """Of the client that a token call would name now."""
    client = access.values()["client"]
    found: object = cast("Mapping[str, object]", client).get("id")
    return found if isinstance(found, str) else None


def _judged(access: Access, outcome: Outcome) -> Mapping[str, object]:
    """What the answer captured; a 200 that carries an error is one."""
    body = outcome.answer.get("body")
    error = error_code(body)
    if outcome.problem is None and (outcome.captured.get("accessToken") or error is None):
        return outcome.captured
    if outcome.problem is not None and not isinstance(outcome.problem, ProviderRefused):
        raise outcome.problem
    seen = {**access.values(), **outcome.answer}
    dead_if = access.method.refresh.dead_if
    if error in _CLIENT_ERRORS:
        raise NotConfigured(
            "The provider does not accept the client id or the client secret. Check them in the integration.",
            error=error,
        )
    if error in _BUSY_ERRORS:
        headers = () if outcome.response is None else outcome.response.headers
        wait = retry_after(headers, now=datetime.now(UTC))
        raise ProviderUnavailable("The provider is busy or failing. Try again later.", retry_after=wait, error=error)
    if error is None and not isinstance(body, Mapping):
        raise ProviderUnreadable("The token endpoint answered something that is not a token answer.")
    if any(passes(test, seen) for test in dead_if):
        error = "invalid_grant"
    raise ProviderRefused("The provider refused to give a token.", error=error, status=outcome.answer.get("status"))


def _oauth2(access: Access) -> OAuth2:
    if access.method.oauth2 is None:
        raise NotConnectable("This method has no OAuth 2 part.")
    return access.method.oauth2
