"""Providers whose answers are no HTTP, or too much of it: what comes down is framed by us, or is our own problem."""

import gzip
import zlib

import pytest

from .wire import statuses

pytestmark = pytest.mark.anyio

BAD = {
    "no HTTP": b"hello\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "bare carriage return": b"HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: c\r\nContent-Length: 0\r\n\r\n",
    "NUL in a header": b"HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 0\r\n\r\n",
    "name with a space": b"HTTP/1.1 200 OK\r\nSet Cookie: c\r\nContent-Length: 0\r\n\r\n",
    "endless header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "very many headers": b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 100_000 + b"\r\n",
    "unknown status": b"HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n",
    "status of nothing": b"HTTP/1.1 000 Nothing\r\nContent-Length: 0\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switch\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nabc",
}


def asked(wire, path: str = "/a", method: str = "GET") -> str:
    return f"{method} {wire.proxy}{path} HTTP/1.1\r\n{wire.headers}Connection: close\r\n\r\n"


async def test_an_answer_that_is_no_http_is_a_problem_of_the_providers(wire):
    answers = {}
    for name, answer in BAD.items():
        wire.provider.answers = [answer]
        came = await wire.send(asked(wire, method="POST"))
        answers[name] = statuses(came), b"Set-Cookie" in came, b"tieline-error: provider-unreadable" in came

    assert answers == dict.fromkeys(BAD, ([502], False, True))


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 12\r\n\r\n", 304),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 12\r\n\r\n", 204),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", 204),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
        (b"HTTP/1.0 200 OK\r\n\r\n", 200),
    ],
)
async def test_an_answer_without_a_body_ends_with_its_headers(wire, answer, status):
    wire.provider.answers = [answer]
    again = "GET /healthz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"

    came = await wire.send(asked(wire).replace("Connection: close\r\n", "") + again)

    assert statuses(came) == [status, 200]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"zz\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"9\r\nab"],
    ],
)
async def test_an_answer_that_is_cut_off_does_not_look_whole(wire, pieces):
    wire.provider.answers = pieces

    came = await wire.send(asked(wire))

    head, _, body = came.partition(b"\r\n\r\n")
    whole = len(body) == 100 if b"content-length: 100" in head.lower() else body.endswith(b"0\r\n\r\n")
    assert statuses(came) == [502] or not whole


async def test_a_folded_header_is_one_header(wire):
    wire.provider.answers = [b"HTTP/1.1 200 OK\r\nX-A: b\r\n Set-Cookie: c\r\nContent-Length: 0\r\n\r\n"]

    came = await wire.send(asked(wire))

    assert b"\r\nx-a: b Set-Cookie: c\r\n" in came


async def test_what_stands_behind_an_answer_is_no_answer_to_the_next_call(wire):
    ours = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    wire.provider.answers = [ours + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b""]

    answers = [await wire.send(asked(wire)) for _ in range(3)]

    assert all(answer.endswith(b"ok") for answer in answers)
    assert len(wire.provider.asked) == 3


async def test_nothing_that_is_packed_is_unpacked_on_its_way(wire):
    bomb = gzip.compress(b"\0" * (64 << 20))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    wire.provider.answers = [head, bomb]

    came = await wire.send(asked(wire))

    assert came.endswith(bomb)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "compress", "gzip, gzip", "x-unknown"])
async def test_no_bomb_goes_off_in_a_request_either(wire, coding):
    """Bodies of callers go up as they are; those of management calls are JSON and nothing else."""
    bomb = zlib.compress(b"[" * (64 << 20))
    head = (
        f"HTTP/1.1\r\n{wire.headers}Content-Encoding: {coding}\r\nContent-Length: {len(bomb)}\r\nConnection: close\r\n"
    )

    up = await wire.send(f"POST {wire.proxy}/a {head}\r\n".encode() + bomb)
    ours = await wire.send(f"POST /v1/providers {head}Content-Type: application/json\r\n\r\n".encode() + bomb)

    assert statuses(up) == [200]
    assert wire.provider.asked[0].endswith(bomb)
    assert statuses(ours) == [422]
