import re
import time

from tieline.ids import made_id, new_id

FORM = re.compile(r"conn_[0-9a-hjkmnp-tv-z]{26}")


def _number(identifier):
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    value = 0
    for letter in identifier.partition("_")[2]:
        value = value * 32 + alphabet.index(letter)
    return value


def test_an_id_is_its_prefix_and_26_letters_of_crockford_base32():
    assert FORM.fullmatch(new_id("conn"))


def test_an_id_holds_a_uuid_of_version_7():
    before = time.time_ns() // 1_000_000

    value = _number(new_id("conn"))

    assert before <= value >> 80 <= time.time_ns() // 1_000_000
    assert (value >> 76) & 0xF == 7
    assert (value >> 62) & 0x3 == 2


def test_ids_sort_by_the_time_they_were_made():
    first = new_id("conn")
    time.sleep(0.002)

    assert first < new_id("conn")


def test_no_two_ids_are_the_same():
    assert len({new_id("conn") for _ in range(10_000)}) == 10_000


def test_a_made_id_is_the_same_for_the_same_parts():
    assert made_id("cli", "int_1", "oauth") == made_id("cli", "int_1", "oauth")
    assert FORM.fullmatch(made_id("conn", "a"))


def test_a_made_id_tells_apart_parts_that_read_alike_side_by_side():
    alike = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc")]

    assert len({made_id("cli", *parts) for parts in alike}) == len(alike)
