import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.errors import Misconfigured, SealBroken
from tieline.secret import Secret
from tieline.storage.keyring import KeyRing
from tieline.storage.vault import About, Vault, key_id

CELL = About("org_1", "credentials", "conn_1", "sealed", '{"api":["https://api.acme.example"]}')


@pytest.fixture
def vault():
    return Vault(KeyRing.generate())


def test_what_was_sealed_opens(vault):
    assert vault.open(vault.seal(b"r0", about=CELL), about=CELL) == b"r0"


def test_nothing_of_it_shows_and_no_two_blobs_are_alike(vault):
    first, second = (vault.seal(b"refresh-token", about=CELL) for _ in range(2))

    assert b"refresh-token" not in first
    assert first != second


@pytest.mark.parametrize("field", ["organization", "table", "row", "field", "origins_text"])
def test_a_blob_moved_to_another_cell_does_not_open(vault, field):
    blob = vault.seal(b"r0", about=CELL)

    with pytest.raises(SealBroken):
        vault.open(blob, about=replace(CELL, **{field: "other"}))


def test_parts_that_read_alike_side_by_side_are_different_cells(vault):
    blob = vault.seal(b"r0", about=About("org", "ab", "c", "sealed"))

    with pytest.raises(SealBroken):
        vault.open(blob, about=About("org", "a", "bc", "sealed"))


@given(data=st.data())
def test_a_blob_with_any_bit_changed_does_not_open(data):
    vault = Vault(KeyRing.generate())
    blob = bytearray(vault.seal(b"r0", about=CELL))
    place = data.draw(st.integers(0, len(blob) - 1))
    blob[place] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(SealBroken):
        vault.open(bytes(blob), about=CELL)


@given(st.binary(max_size=64))
def test_no_other_bytes_open(blob):
    with pytest.raises(SealBroken):
        Vault(KeyRing.generate()).open(blob, about=CELL)


def test_the_key_id_cannot_be_exchanged():
    ring = KeyRing("a", {"a": bytes(32), "b": bytes(32)})
    blob = Vault(ring).seal(b"r0", about=CELL)

    with pytest.raises(SealBroken):
        Vault(ring).open(blob.replace(b"\x01a", b"\x01b", 1), about=CELL)


def test_a_wrong_key_does_not_open():
    blob = Vault(KeyRing.generate()).seal(b"r0", about=CELL)

    with pytest.raises(SealBroken):
        Vault(KeyRing.generate()).open(blob, about=CELL)


def test_a_missing_key_is_named():
    blob = Vault(KeyRing.generate("old")).seal(b"r0", about=CELL)

    assert key_id(blob) == "old"
    with pytest.raises(SealBroken, match="old"):
        Vault(KeyRing.generate("new")).open(blob, about=CELL)


def test_the_first_key_seals_and_the_others_still_open():
    old = KeyRing.generate("old")
    blob = Vault(old).seal(b"r0", about=CELL)
    both = Vault(KeyRing("new", {**KeyRing.generate("new").keys, **old.keys}))

    assert both.open(blob, about=CELL) == b"r0"
    assert key_id(both.seal(b"r1", about=CELL)) == "new"


def test_a_ring_reads_what_it_writes():
    ring = KeyRing("b", {**KeyRing.generate("b").keys, **KeyRing.generate("a").keys})

    assert KeyRing.parse(ring.text) == ring


@pytest.mark.parametrize(
    "text",
    [
        "",
        "k1",
        "k1:",
        base64.b64encode(bytes(32)).decode(),
        "k1:" + base64.b64encode(bytes(31)).decode(),
        "k1:" + "!" * 44,
        "k 1:" + base64.b64encode(bytes(32)).decode(),
        ":" + base64.b64encode(bytes(32)).decode(),
        ",".join(["k1:" + base64.b64encode(bytes(32)).decode()] * 2),
    ],
)
def test_what_is_not_a_ring_is_refused_without_repeating_it(text):
    with pytest.raises(Misconfigured) as caught:
        KeyRing.parse(Secret(text))

    assert base64.b64encode(bytes(31)).decode()[:20] not in str(caught.value)


def test_a_ring_does_not_show_its_keys():
    ring = KeyRing("k1", {"k1": b"0123456789abcdef0123456789abcdef"})

    assert repr(ring) == str(ring) == "KeyRing(k1)"
