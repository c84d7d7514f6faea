"""What the practice API answers to a caller who may ask."""

import asyncio
import base64
import binascii
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from itertools import islice

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from tieline.testing.callers import KEY_COOKIE, KEY_HEADER, KEY_PARAMETER, Caller
from tieline.testing.practice import Practice

ITEM_COUNT = 57
_LARGEST_PAGE = 50
_CHUNK = bytes(range(256)) * 256
_CREDENTIAL_HEADERS = {"authorization", KEY_HEADER.lower()}


@dataclass(frozen=True)
class Call:
    request: Request
    caller: Caller
    practice: Practice

    def number(self, name: str, *, otherwise: float) -> float:
        """A number of the query; what is not one is taken for absent."""
        try:
            return float(self.request.query_params[name])
        except (KeyError, ValueError):
            return otherwise


async def health(call: Call) -> Response:
    return JSONResponse({"status": "ok"})


async def me(call: Call) -> Response:
    return JSONResponse(_account(call))


async def userinfo(call: Call) -> Response:
    """The claims of OpenID Connect Core 1.0, section 5.3."""
    account = _account(call)
    return JSONResponse({"sub": account["id"], "name": account["name"], "email": account["email"]})


async def items(call: Call) -> Response:
    """`limit` (10, at most 50) and `cursor`; `next_cursor` is null on the last page."""
    limit = max(1, min(int(call.number("limit", otherwise=10)), _LARGEST_PAGE))
    try:
        start = _position(call.request.query_params.get("cursor"))
    except ValueError:
        return JSONResponse({"error": "invalid_cursor"}, status_code=400)
    numbers = list(islice(range(ITEM_COUNT), start, start + limit))
    further = start + limit < ITEM_COUNT
    return JSONResponse(
        {
            "items": [{"id": f"item-{number + 1}", "name": f"Item {number + 1}"} for number in numbers],
            "next_cursor": _cursor(start + limit) if further else None,
        }
    )


async def echo(call: Call) -> Response:
    """The call as it arrived; a credential is shown by `masked` only."""
    request, body = call.request, await call.request.body()
    headers = [
        (name, masked(value) if name in _CREDENTIAL_HEADERS else value) for name, value in request.headers.items()
    ]
    query = [
        (name, masked(value) if name == KEY_PARAMETER else value) for name, value in request.query_params.multi_items()
    ]
    return JSONResponse(
        {
            "method": request.method,
            "path": path_without_key(request.url.path),
            "query": query,
            "headers": {name: value for name, value in headers if name != "cookie"},
            "cookies": {n: masked(v) if n == KEY_COOKIE else v for n, v in request.cookies.items()},
            "body": body.decode(errors="replace"),
            "body_sha256": hashlib.sha256(body).hexdigest(),
            "user": call.caller.user,
            "authenticated_by": call.caller.place,
        }
    )


async def upload(call: Call) -> Response:
    """Reads the body chunk by chunk and keeps none of it."""
    seen, digest = 0, hashlib.sha256()
    async for chunk in call.request.stream():
        seen += len(chunk)
        digest.update(chunk)
    return JSONResponse({"bytes": seen, "sha256": digest.hexdigest()})


async def stream(call: Call) -> Response:
    """`bytes` of `stream_bytes`; `chunked=1` leaves the length out, `pause` is a wait in seconds before each chunk."""
    total = int(call.number("bytes", otherwise=1_000_000))
    headers = {} if "chunked" in call.request.query_params else {"Content-Length": str(total)}
    chunks = _paused(call, total, call.number("pause", otherwise=0))
    return StreamingResponse(chunks, media_type="application/octet-stream", headers=headers)


async def slow(call: Call) -> Response:
    """`seconds` (5) until the answer begins."""
    seconds = call.number("seconds", otherwise=5)
    await asyncio.sleep(seconds)
    return JSONResponse({"slept": seconds})


async def big(call: Call) -> Response:
    """A JSON document of at least `bytes` (5,000,000)."""
    return JSONResponse({"filler": "x" * int(call.number("bytes", otherwise=5_000_000))})


async def redirect(call: Call) -> Response:
    """To `to`, with `code` (302)."""
    to = call.request.query_params.get("to", "/v1/me")
    return RedirectResponse(to, status_code=int(call.number("code", otherwise=302)))


async def status(call: Call) -> Response:
    code: int = call.request.path_params["code"]
    return status_response(code, retry_after=call.practice.switches.retry_after)


def status_response(code: int, *, retry_after: int) -> Response:
    """An answer with that status and what usually comes with it."""
    if code < 200 or code in (204, 304):
        return Response(status_code=code)
    headers = {"Retry-After": str(retry_after)} if code in (429, 503) else {}
    return JSONResponse({"status": code}, status_code=code, headers=headers)


def stream_bytes(count: int) -> Iterator[bytes]:
    """The bytes that `/v1/stream` sends: 0 to 255 over and over."""
    for start in range(0, count, len(_CHUNK)):
        yield _CHUNK[: count - start]


def masked(value: str) -> str:
    """What is shown in the place of a credential: enough to compare it, too little to use it."""
    return "sha256:" + hashlib.sha256(value.encode()).hexdigest()[:16]


def path_without_key(path: str) -> str:
    """The path with `*` for the key that may be in it."""
    return re.sub(r"^(/v1)?/key/[^/]+", r"\1/key/*", path)


async def _paused(call: Call, total: int, pause: float) -> AsyncIterator[bytes]:
    for chunk in stream_bytes(total):
        await asyncio.sleep(pause)
        call.practice.bytes_streamed += len(chunk)
        yield chunk


def _account(call: Call) -> dict[str, object]:
    user = call.caller.user
    if user is None:
        return {"id": call.practice.client_id, "name": "Practice client", "email": None}
    person = call.practice.people.get(user)
    return {"id": user, "name": user, "email": None} if person is None else asdict(person)


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"from": position}).encode()).decode()


def _position(cursor: str | None) -> int:
    """Raises ValueError for a cursor that is not one of ours."""
    if not cursor:
        return 0
    try:
        document: object = json.loads(base64.urlsafe_b64decode(cursor))
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("not a cursor") from error
    match document:
        case {"from": int(position)} if position >= 0:
            return position
        case _:
            raise ValueError("not a cursor")
