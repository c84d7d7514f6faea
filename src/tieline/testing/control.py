"""Turn the switches and read the counters over HTTP, from another process. For tests: nobody is asked who they are."""

from dataclasses import asdict

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tieline.testing.practice import Practice

_OBJECT = TypeAdapter(dict[str, object])


class Control:
    def __init__(self, practice: Practice) -> None:
        self._practice = practice

    def routes(self) -> list[Route]:
        return [
            Route("/_practice/state", self.state, methods=["GET"]),
            Route("/_practice/switches", self.turn, methods=["POST"]),
            Route("/_practice/forget", self.forget, methods=["POST"]),
            Route("/_practice/expire", self.expire, methods=["POST"]),
        ]

    async def state(self, request: Request) -> Response:
        return JSONResponse({"switches": asdict(self._practice.switches), **self._practice.counts()})

    async def turn(self, request: Request) -> Response:
        """The body is a JSON object of switches; the others stay. Answers with all of them."""
        try:
            self._practice.switches.turn(await _object(request))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse(asdict(self._practice.switches))

    async def forget(self, request: Request) -> Response:
        """`{"user": "ada@practice.example"}`, or an empty body for everybody."""
        try:
            user = (await _object(request)).get("user")
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"forgotten": self._practice.forget_grants(None if user is None else str(user))})

    async def expire(self, request: Request) -> Response:
        return JSONResponse({"expired": self._practice.expire_access_tokens()})


async def _object(request: Request) -> dict[str, object]:
    """The JSON object of the body, empty without one. Raises ValueError."""
    return _OBJECT.validate_json(await request.body() or b"{}")
