"""Requests that two servers could read differently: ours reads them in one way, or not at all."""

import pytest

from .wire import statuses

pytestmark = pytest.mark.anyio

CHUNKS = "\r\n5\r\nhello\r\n0\r\n\r\n"


REFUSED = {
    "two lengths": "POST {p} HTTP/1.1\r\n{h}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "one length twice": "POST {p} HTTP/1.1\r\n{h}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "lengths in a list": "POST {p} HTTP/1.1\r\n{h}Content-Length: 5, 5\r\n\r\nhello",
    "length with a plus": "POST {p} HTTP/1.1\r\n{h}Content-Length: +5\r\n\r\nhello",
    "negative length": "POST {p} HTTP/1.1\r\n{h}Content-Length: -5\r\n\r\nhello",
    "hexadecimal length": "POST {p} HTTP/1.1\r\n{h}Content-Length: 0x5\r\n\r\nhello",
    "length with an underscore": "POST {p} HTTP/1.1\r\n{h}Content-Length: 5_0\r\n\r\nhello",
    "empty length": "POST {p} HTTP/1.1\r\n{h}Content-Length: \r\n\r\nhello",
    "endless length": "POST {p} HTTP/1.1\r\n{h}Content-Length: 99999999999999999999999\r\n\r\nhello",
    "space before the colon": "POST {p} HTTP/1.1\r\n{h}Content-Length : 5\r\n\r\nhello",
    "length and chunked": "POST {p} HTTP/1.1\r\n{h}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": "POST {p} HTTP/1.1\r\n{h}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    **{
        f"coding {coding!r}": "POST {p} HTTP/1.1\r\n{h}Transfer-Encoding: " + coding + "\r\n" + CHUNKS
        for coding in (
            *("xchunked", "identity", "chunked, identity", "gzip, chunked", "chunked, chunked", '"chunked"'),
            *("chunked;q=1", "\x0bchunked", "chunked\0", "", "\r\n chunked", "chunked\r\nTransfer-Encoding: chunked"),
        )
    },
    "space before the coding's colon": "POST {p} HTTP/1.1\r\n{h}Transfer-Encoding : chunked\r\n" + CHUNKS,
    "coding in HTTP/1.0": "POST {p} HTTP/1.0\r\n{h}Transfer-Encoding: chunked\r\n" + CHUNKS,
    "folded header": "GET {p} HTTP/1.1\r\n{h}X-A: b\r\n c\r\n\r\n",
    "folded first header": "GET {p} HTTP/1.1\r\n X-A: b\r\n{h}\r\n",
    "bare line feeds": "GET {p} HTTP/1.1\nHost: t\n\n",
    "a bare line feed": "GET {p} HTTP/1.1\r\n{h}X-A: b\nX-B: c\r\n\r\n",
    "a bare carriage return": "GET {p} HTTP/1.1\r\n{h}X-A: b\rX-B: c\r\n\r\n",
    "NUL in a header": "GET {p} HTTP/1.1\r\n{h}X-A: b\0c\r\n\r\n",
    "no colon": "GET {p} HTTP/1.1\r\n{h}X-A\r\n\r\n",
    "no name": "GET {p} HTTP/1.1\r\n{h}: x\r\n\r\n",
    **{
        f"chunk {chunk!r}": "POST {p} HTTP/1.1\r\n{h}Transfer-Encoding: chunked\r\n\r\n" + chunk
        for chunk in (
            *("5\nhello\n0\n\n", "5;\nxx\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n"),
            *("-5\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
            *("5\r\nhelloXX0\r\n\r\n", "\r\nhello\r\n0\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n"),
        )
    },
    "HTTP/0.9": "GET {p}\r\n\r\n",
    "HTTP/2.0": "GET {p} HTTP/2.0\r\n{h}\r\n",
    "HTTP/1.2": "GET {p} HTTP/1.2\r\n{h}\r\n",
    "lower case version": "GET {p} http/1.1\r\n{h}\r\n",
    "preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tunnel": "CONNECT 127.0.0.1:443 HTTP/1.1\r\n{h}\r\n",
    "unknown method": "SEARCHLIGHT {p} HTTP/1.1\r\n{h}\r\n",
    "bare address": "GET http://127.0.0.1 HTTP/1.1\r\n{h}\r\n",
    "two hosts": "GET {p} HTTP/1.1\r\n{h}Host: other\r\n\r\n",
    "no host": "GET {p} HTTP/1.1\r\nAccept: */*\r\n\r\n",
    "host that is none": "GET {p} HTTP/1.1\r\nHost: a/b@c d\r\n\r\n",
    "two keys": "GET {p} HTTP/1.1\r\n{h}Authorization: Bearer other\r\n\r\n",
    "two organizations": "GET {p} HTTP/1.1\r\n{h}Tieline-Organization: other\r\n\r\n",
    "space in the target": "GET {p}/a b HTTP/1.1\r\n{h}\r\n",
    "tabs": "GET\t{p}\tHTTP/1.1\r\n{h}\r\n",
    "not ASCII": "GET {p}/\xe9 HTTP/1.1\r\n{h}\r\n",
    "NUL in the target": "GET {p}/\0 HTTP/1.1\r\n{h}\r\n",
    "fragment": "GET {p}/a#b HTTP/1.1\r\n{h}\r\n",
    "target without end": "GET {p}/" + "a" * 70_000 + " HTTP/1.1\r\n{h}\r\n",
}


async def test_what_can_be_read_in_two_ways_is_refused_and_ends_the_connection(wire):
    """Behind each stands another request, which must not be answered, whatever the first was taken for."""
    behind = f"GET {wire.proxy}/smuggled HTTP/1.1\r\n{wire.headers}\r\n"

    answers = {
        name: statuses(await wire.send(request.format(p=wire.proxy + "/a", h=wire.headers) + behind))
        for name, request in REFUSED.items()
    }

    assert {name: answer for name, answer in answers.items() if answer not in ([400], [])} == {}
    assert [name for name, answer in answers.items() if answer == []] in ([], ["target without end"])
    assert wire.provider.asked == []


@pytest.mark.parametrize(
    ("request_", "received"),
    [
        ("POST {p} HTTP/1.1\r\n{h}Transfer-Encoding: cHuNkEd\r\nConnection: close\r\n" + CHUNKS, b"hello"),
        ("POST {p} HTTP/1.1\r\n{h}Content-Length: 005\r\nConnection: close\r\n\r\nhello", b"hello"),
        ("POST {p} HTTP/1.0\r\n{h}Content-Length: 5\r\n\r\nhello", b"hello"),
        ("GET http://evil.example{p} HTTP/1.1\r\n{h}Connection: close\r\n\r\n", b""),
        ("GET {p} HTTP/1.1\r\nX-Host: evil.example\r\n{h}Connection: close\r\n\r\n", b""),
    ],
)
async def test_what_can_be_read_in_one_way_is_framed_anew(wire, request_, received):
    answer = await wire.send(request_.format(p=wire.proxy + "/a", h=wire.headers))

    assert statuses(answer) == [200]
    head, _, body = wire.provider.asked[0].partition(b"\r\n\r\n")
    assert body == received
    assert head.startswith((b"POST /v1/a HTTP/1.1", b"GET /v1/a HTTP/1.1"))
    assert b"evil" not in head.replace(b"x-host: evil.example", b"").lower()
    assert head.lower().count(b"content-length") + head.lower().count(b"transfer-encoding") == (1 if received else 0)


async def test_extensions_of_chunks_and_trailers_go_nowhere(wire):
    chunks = '5;a="b\\"c"\r\nhello\r\n0;d\r\nX-Trailer: x\r\nTieline-Organization: other\r\n\r\n'
    request = f"POST {wire.proxy}/a HTTP/1.1\r\n{wire.headers}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"

    answer = await wire.send(request + chunks)

    assert statuses(answer) == [200]
    assert wire.provider.asked[0].endswith(b"\r\n\r\nhello")
    assert b"trailer" not in wire.provider.asked[0].lower()


async def test_pipelined_requests_are_answered_in_their_order(wire):
    requests = [f"POST {wire.proxy}/{each} HTTP/1.1\r\n{wire.headers}Content-Length: 1\r\n" for each in "abc"]
    whole = "\r\nx".join(requests) + "Connection: close\r\n\r\nx"

    answer = await wire.send(whole)

    assert statuses(answer) == [200, 200, 200]
    assert [head.split()[1] for head in wire.provider.heads] == [b"/v1/a", b"/v1/b", b"/v1/c"]


async def test_a_refusal_is_never_taken_for_the_answer_to_the_request_before(wire):
    first = f"GET {wire.proxy}/a HTTP/1.1\r\n{wire.headers}\r\n"

    answer = await wire.send(first + "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")

    assert answer == b""


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.0"])
async def test_nothing_is_upgraded_and_nothing_behind_it_is_read(wire, upgrade):
    first = f"GET {wire.proxy}/a HTTP/1.1\r\n{wire.headers}Connection: Upgrade\r\nUpgrade: {upgrade}\r\n\r\n"

    answer = await wire.send(first + f"GET {wire.proxy}/smuggled HTTP/1.1\r\n{wire.headers}\r\n")

    assert statuses(answer) == [200]
    assert b"upgrade" not in wire.provider.asked[0].lower()
    assert len(wire.provider.asked) == 1


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PROPFIND", "LINK"])
async def test_other_methods_are_not_passed_on(wire, method):
    answer = await wire.send(f"{method} {wire.proxy}/a HTTP/1.1\r\n{wire.headers}Connection: close\r\n\r\n")

    assert statuses(answer) == [422]
    assert wire.provider.asked == []


async def test_what_is_between_the_caller_and_us_stays_there(wire):
    told = (
        *("TE: trailers", "Trailer: x", "Cookie: a=b", "Forwarded: for=1", "X-Forwarded-For: 1", "X_Forwarded_For: 2"),
        *("Proxy-Authorization: Basic x", "Keep-Alive: 5", "Via: x", "Expect: 200-ok", "X-Own: kept", "X-Named: x"),
        *("X-Real_IP: 1", "Tieline_Url: x", "Connection: X-Named, X-Api-Key, close"),
    )

    answer = await wire.send(f"GET {wire.proxy}/a HTTP/1.1\r\n{wire.headers}" + "\r\n".join([*told, "", ""]))

    assert statuses(answer) == [200]
    lines = wire.provider.heads[0].lower().splitlines()
    names = {line.partition(b":")[0] for line in lines[1:]}
    assert names == {b"host", b"x-own", b"x-api-key", b"user-agent", b"accept-encoding"}
    assert b"x-api-key: the-credential" in lines


async def test_a_caller_that_expects_to_go_on_is_told_to(wire):
    request = f"POST {wire.proxy}/a HTTP/1.1\r\n{wire.headers}Expect: 100-continue\r\nContent-Length: 5\r\n"

    answer = await wire.send(request + "Connection: close\r\n\r\nhello")

    assert statuses(answer) == [100, 200]
    assert b"expect" not in wire.provider.heads[0].lower()
