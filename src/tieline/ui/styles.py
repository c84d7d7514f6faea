"""The one stylesheet, under an address that changes with it, so that browsers may keep it."""

from hashlib import sha256
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

_BODY = (files("tieline.ui") / "static" / "tieline.css").read_bytes()
PATH = f"/static/tieline.{sha256(_BODY).hexdigest()[:12]}.css"


async def stylesheet(request: Request) -> Response:
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(_BODY, media_type="text/css", headers=headers)
