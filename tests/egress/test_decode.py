import gzip
import zlib

import pytest

from tieline.egress.decode import Decoder, encoding_of
from tieline.errors import ProviderUnreadable

TEXT = b"the same again, " * 1000 + bytes(range(256)) * 20


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def decoded(data: bytes, encoding: str, *, limit: int = 1 << 22, step: int = 7) -> bytes:
    decoder = Decoder(encoding, limit=limit)
    for at in range(0, len(data), step):
        decoder.feed(data[at : at + step])
    return decoder.whole()


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (TEXT, "identity"),
        (gzip.compress(TEXT, mtime=0), "gzip"),
        (zlib.compress(TEXT), "deflate"),
        (bare(TEXT), "deflate"),
        (
            gzip.compress(TEXT[:5000], mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(TEXT[5000:], mtime=0),
            "gzip",
        ),
    ],
)
def test_pieces_of_any_size_give_the_whole(packed: bytes, encoding: str, step: int) -> None:
    assert decoded(packed, encoding, step=step) == TEXT


@pytest.mark.parametrize("size", range((1 << 16) - 300, (1 << 16) + 300, 37))
def test_a_last_match_at_the_edge_of_a_piece_is_not_lost(size: int) -> None:
    assert decoded(bare(bytes(size)), "deflate", step=1 << 20) == bytes(size)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
def test_nothing_is_an_empty_body(encoding: str) -> None:
    assert decoded(b"", encoding) == b""


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (gzip.compress(TEXT, mtime=0)[:-9], "gzip"),
        (gzip.compress(TEXT, mtime=0) + b"more", "gzip"),
        (gzip.compress(TEXT, mtime=0)[:-8] + bytes(8), "gzip"),
        (zlib.compress(TEXT) + zlib.compress(TEXT), "deflate"),
        (zlib.compress(TEXT)[:-5], "deflate"),
        (b"plain text", "gzip"),
        (b"plain text", "deflate"),
    ],
)
def test_damaged_and_cut_off_bodies_are_unreadable(data: bytes, encoding: str) -> None:
    with pytest.raises(ProviderUnreadable) as unreadable:
        decoded(data, encoding)

    assert unreadable.value.facts["reason"] == "encoding"


def test_the_limit_is_of_the_decoded_body() -> None:
    packed = gzip.compress(TEXT, mtime=0)

    assert decoded(packed, "gzip", limit=len(TEXT)) == TEXT
    with pytest.raises(ProviderUnreadable) as unreadable:
        decoded(packed, "gzip", limit=len(TEXT) - 1)
    assert unreadable.value.facts == {"reason": "size", "limit": len(TEXT) - 1}


def test_a_small_body_may_have_any_ratio_and_a_large_one_may_not() -> None:
    assert decoded(gzip.compress(bytes(1 << 20)), "gzip") == bytes(1 << 20)
    with pytest.raises(ProviderUnreadable) as unreadable:
        decoded(gzip.compress(bytes(1 << 24)), "gzip", limit=1 << 30)
    assert unreadable.value.facts["reason"] == "ratio"


def test_many_small_bombs_in_a_row_are_stopped_too() -> None:
    with pytest.raises(ProviderUnreadable):
        decoded(gzip.compress(bytes(1 << 20)) * 64, "gzip", limit=1 << 30, step=1 << 16)


@pytest.mark.parametrize(
    ("values", "encoding"),
    [
        ((), "identity"),
        (("Identity",), "identity"),
        (("",), "identity"),
        (("GZIP",), "gzip"),
        (("x-gzip",), "gzip"),
        (("identity, deflate",), "deflate"),
    ],
)
def test_the_encoding_is_read_from_the_headers(values: tuple[str, ...], encoding: str) -> None:
    assert encoding_of(tuple(("content-ENCODING", value) for value in values)) == encoding


@pytest.mark.parametrize("values", [("br",), ("zstd",), ("gzip, gzip",), ("gzip", "deflate"), ("compress",)])
def test_encodings_that_were_not_asked_for_are_unreadable(values: tuple[str, ...]) -> None:
    with pytest.raises(ProviderUnreadable):
        encoding_of(tuple(("Content-Encoding", value) for value in values))
