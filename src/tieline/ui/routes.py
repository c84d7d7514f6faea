"""The connect pages as routes: each reads a request, asks the flow, and answers a page; never JSON."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

import structlog
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tieline.connections.pages import Ended
from tieline.errors import TielineError
from tieline.hub import Hub
from tieline.trace import kind_and_steps
from tieline.ui import styles
from tieline.ui.answering import Visit, answer, ended
from tieline.ui.incoming import Refused, read_form, read_query, require_own_page
from tieline.ui.site import Site, is_browser, new_browser

Endpoint = Callable[[Request], Awaitable[Response]]


_log = structlog.get_logger("tieline.ui")


def routes(hub: Hub) -> list[Route]:
    """To be put under the root of the public address."""
    pages = ConnectPages(hub)
    site = pages.site

    def route(path: str, handler: Endpoint, method: str) -> Route:
        return Route(path, _guarded(handler, site), methods=[method])

    return [
        Route(styles.PATH, styles.stylesheet, methods=["GET"]),
        route("/connect/confirm", pages.confirm, "POST"),
        route("/connect/decline", pages.decline, "POST"),
        route("/connect/{token}", pages.open, "GET"),
        route("/connect/{token}", pages.submit, "POST"),
        route("/connect/{token}/cancel", pages.cancel, "POST"),
        route("/oauth/callback/{client}", pages.callback, "GET"),
        route("/oauth/callback/{client}", pages.callback_by_form, "POST"),
    ]


class ConnectPages:
    """One method for each address."""

    def __init__(self, hub: Hub) -> None:
        self._flow = hub.connect.flow
        self.site = Site.at(hub.settings.url)

    async def open(self, request: Request) -> Response:
        visit = self._visit(request)
        method = request.query_params.get("method")
        page = await self._flow.open(visit.token, method=method, browser=visit.browser)
        return answer(page, visit)

    async def submit(self, request: Request) -> Response:
        require_own_page(request, self.site)
        visit, typed = self._visit(request), await read_form(request)
        method = request.query_params.get("method") or typed.get("method")
        return answer(await self._flow.submit(visit.token, typed, method=method, browser=visit.browser), visit)

    async def cancel(self, request: Request) -> Response:
        require_own_page(request, self.site)
        visit = self._visit(request)
        return answer(await self._flow.cancel(visit.token, browser=visit.browser), visit)

    async def callback(self, request: Request) -> Response:
        if request.method == "HEAD":
            # Whoever only looks must not use up the code.
            return Response(status_code=405, headers={"Allow": "GET, POST"})
        visit, params = self._visit(request), read_query(request)
        page = await self._flow.callback(request.path_params["client"], params, browser=visit.browser)
        return answer(page, visit)

    async def callback_by_form(self, request: Request) -> Response:
        """For `response_mode=form_post`. A form from the provider's site comes without our cookie (SameSite=Lax), the
        GET that it is turned into here comes with it."""
        params = await read_form(request)
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        address = f"{self.site.path}/oauth/callback/{request.path_params['client']}?{urlencode(params)}"
        return RedirectResponse(address, status_code=303, headers=headers)

    async def confirm(self, request: Request) -> Response:
        require_own_page(request, self.site)
        visit, typed = self._visit(request), await read_form(request)
        return answer(await self._flow.confirm(typed.get("nonce", ""), browser=visit.browser), visit)

    async def decline(self, request: Request) -> Response:
        require_own_page(request, self.site)
        visit, typed = self._visit(request), await read_form(request)
        return answer(await self._flow.decline(typed.get("nonce", ""), browser=visit.browser), visit)

    def _visit(self, request: Request) -> Visit:
        """Its cookie is kept when it is there already."""
        token, sent = request.path_params.get("token", ""), request.cookies.get(self.site.cookie)
        if sent is not None and is_browser(sent):
            return Visit(self.site, token, sent, fresh=False)
        return Visit(self.site, token, new_browser(), fresh=True)


def _guarded(handler: Endpoint, site: Site) -> Endpoint:
    """Trouble is a page."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as problem:
            return ended(Ended(False, problem.title, problem.detail), site, status=problem.status)
        except TielineError as problem:
            page = Ended(False, problem.title, problem.detail, problem.code)
            return ended(page, site, status=problem.status, retry_after=problem.retry_after)
        except Exception as problem:
            _log.error("connect.page.failed", **kind_and_steps(problem))
            page = Ended(False, "Something went wrong", "It has been noted. Try again in a moment.", "internal")
            return ended(page, site, status=500)

    return endpoint
