"""Who calls the API: every place in which a credential may come, and whose it is."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from starlette.requests import Request

from tieline.testing.parameters import read_basic
from tieline.testing.practice import SCOPES, Practice

Place = Literal["bearer", "basic", "header", "query", "cookie", "path", "body"]

KEY_HEADER = "X-API-Key"
KEY_PARAMETER = "api_key"
"""The name of the key in the query and in a JSON or form body."""
KEY_COOKIE = "session"


@dataclass(frozen=True)
class Caller:
    """`user` is a person's email, or None for the client itself; `place` is where the credential came."""

    user: str | None
    place: Place
    scopes: frozenset[str] = frozenset(SCOPES)


@dataclass(frozen=True)
class Presented:
    place: Place
    value: str


async def presented(request: Request) -> Presented | None:
    """The first credential that the call carries, valid or not; a body is looked at only when nothing else is there."""
    return next(_outside_body(request), None) or await _in_body(request)


def recognise(given: Presented, practice: Practice) -> Caller | None:
    """The caller that a credential belongs to; None when it is not valid."""
    if given.place == "basic":
        return _by_password(given.value, practice)
    if given.place == "bearer" and (grant := practice.ledger.use(given.value)) is not None:
        return Caller(grant.user, given.place, frozenset(grant.scopes))
    user = practice.api_keys.get(given.value)
    return None if user is None else Caller(user, given.place)


def _outside_body(request: Request) -> Iterator[Presented]:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield Presented("bearer", value)
    elif scheme.lower() == "basic":
        yield Presented("basic", request.headers["authorization"])
    places: list[tuple[Place, str | None]] = [
        ("header", request.headers.get(KEY_HEADER)),
        ("query", request.query_params.get(KEY_PARAMETER)),
        ("cookie", request.cookies.get(KEY_COOKIE)),
        ("path", request.path_params.get("key")),
    ]
    yield from (Presented(place, value) for place, value in places if value is not None)


async def _in_body(request: Request) -> Presented | None:
    """Only small JSON and form bodies are read, so that an upload without a credential is not kept in memory."""
    if int(request.headers.get("content-length", "0")) > 65536:
        return None
    media = request.headers.get("content-type", "").partition(";")[0]
    if media == "application/json":
        value = _member(await request.body())
    elif media == "application/x-www-form-urlencoded":
        value = dict(parse_qsl((await request.body()).decode(errors="replace"))).get(KEY_PARAMETER)
    else:
        return None
    return None if value is None else Presented("body", value)


def _member(body: bytes) -> str | None:
    try:
        document: object = json.loads(body)
    except ValueError:
        return None
    match document:
        case {"api_key": str(value)}:
            return value
        case _:
            return None


def _by_password(header: str, practice: Practice) -> Caller | None:
    """A user with a password, or a key as the user with an empty password."""
    pair = read_basic(header)
    if pair is None:
        return None
    user, password = pair
    if user and practice.passwords.get(user) == password:
        return Caller(user, "basic")
    owner = practice.api_keys.get(user) if password == "" else None
    return None if owner is None else Caller(owner, "basic")
