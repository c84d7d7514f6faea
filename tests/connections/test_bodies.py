import pytest

from tieline.connections.bodies import Body, read_body

pytestmark = pytest.mark.anyio


async def _chunks(*chunks):
    for chunk in chunks:
        yield chunk


async def test_no_body_is_an_empty_one_that_can_be_sent_again():
    body = await read_body(None)

    assert (body.whole, body.replayable, body.stream()) == (b"", True, None)


async def test_a_small_body_is_kept_whole():
    body = await read_body(_chunks(b"a", b"", b"bc"))

    assert (body.whole, body.replayable, body.stream()) == (b"abc", True, None)


async def test_a_body_of_exactly_a_mebibyte_is_kept():
    assert (await read_body(_chunks(b"x" * (1 << 20)))).replayable


async def test_a_large_body_is_not_read_ahead_and_comes_whole_from_its_stream():
    taken = []

    async def chunks():
        for number in range(64):
            taken.append(number)
            yield bytes([number]) * (1 << 16)

    body = await read_body(chunks())

    assert len(taken) == 17
    assert (body.replayable, body.whole) == (False, b"")
    sent = b"".join([chunk async for chunk in body.stream()])
    assert sent == b"".join(bytes([number]) * (1 << 16) for number in range(64))


async def test_a_body_that_breaks_off_says_so():
    async def broken():
        yield b"a"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await read_body(broken())


def test_a_body_does_not_show_its_bytes():
    assert "canary" not in repr(Body(b"canary"))
