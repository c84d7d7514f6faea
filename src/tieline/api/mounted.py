"""For an application that Tieline is mounted in: its logged-in user completes a connect session in this process."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tieline.api.asking import hub_of
from tieline.api.problems import problem
from tieline.connections.types import Completion
from tieline.errors import TielineError, Unauthorized
from tieline.organizations.organizations import DEFAULT, is_safe_url

CurrentUser = Callable[[Request], str | Awaitable[str | None] | None]
"""The id of the user who is logged in at the application, or None."""


def complete_route(current_user: CurrentUser) -> Route:
    """`GET connect/complete?tieline_nonce=...`, to be the session's `returnTo`."""

    async def complete(request: Request) -> Response:
        try:
            return _onward(await _completed(request, current_user))
        except TielineError as error:
            return problem(error)

    return Route("/connect/complete", complete, name="complete_here", include_in_schema=False)


async def _completed(request: Request, current_user: CurrentUser) -> Completion:
    hub = hub_of(request)
    found = current_user(request)
    user = await found if isawaitable(found) else found
    if user is None:
        raise Unauthorized("Nobody is logged in. Log in, and open this address again within ten minutes.")
    actor = await hub.organizations.library_actor(DEFAULT)
    return await hub.connect.complete(actor, nonce=request.query_params.get("tieline_nonce", ""), end_user=user)


def _onward(done: Completion) -> Response:
    """To the context's `next`, which the application's backend has set; else what came of it."""
    onward = (done.context or {}).get("next")
    if isinstance(onward, str) and (is_safe_url(onward) or _is_path(onward)):
        return RedirectResponse(onward, status_code=303)
    return JSONResponse(done.dump())


def _is_path(text: str) -> bool:
    """Of this site: `//host` and `/\\host` are other sites to a browser."""
    return text.startswith("/") and not text.startswith(("//", "/\\")) and all(ord(letter) > 32 for letter in text)
