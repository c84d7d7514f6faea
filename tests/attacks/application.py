"""What is built on Tieline here: people log in, and it completes for whoever is logged in when a browser comes."""

from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from tieline.errors import TielineError

NONCE = "tieline_nonce"


@dataclass
class Application:
    """`outcomes` are who was logged in and what the completion said, in order."""

    acme: Any = field(default=None, repr=False)
    url: str = ""
    outcomes: list[tuple[str, str]] = field(default_factory=list)

    @property
    def return_to(self) -> str:
        return f"{self.url}/connected"

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/login/{user}", self._login), Route("/connected", self._connected)])

    async def _login(self, request: Request) -> Response:
        response = HTMLResponse("<title>Welcome</title>")
        response.set_cookie("user", request.path_params["user"])
        return response

    async def _connected(self, request: Request) -> Response:
        user, nonce = request.cookies.get("user"), request.query_params.get(NONCE, "")
        if user is None:
            return RedirectResponse("/login", status_code=303)
        try:
            said = (await self.acme.connect.complete(nonce=nonce, end_user=user)).result
        except TielineError as problem:
            said = problem.code
        self.outcomes.append((user, said))
        return HTMLResponse(f"<title>The application</title><h1>{said}</h1>")
