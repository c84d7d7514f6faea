import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieline.organizations.keys import hash_key, is_key, new_key

LETTERS = string.ascii_letters + string.digits


def test_a_key_can_be_recognised_and_holds_256_bits():
    text = new_key().reveal()

    assert re.fullmatch(r"tl_[0-9A-Za-z]{49}", text)
    assert 62**43 > 2**256
    assert is_key(text)


def test_no_two_keys_are_the_same():
    assert len({new_key().reveal() for _ in range(200)}) == 200


def test_a_new_key_does_not_show():
    key = new_key()

    assert key.reveal() not in repr(key) + str(key) + f"{key}"


@given(position=st.integers(3, 51), letter=st.sampled_from(LETTERS))
def test_a_typo_anywhere_is_noticed_without_asking_the_database(position, letter):
    text = "tl_" + "A" * 43
    key = next(each for each in (new_key().reveal() for _ in range(5)) if each[position] != letter)

    assert not is_key(key[:position] + letter + key[position + 1 :])
    assert not is_key(text)


@pytest.mark.parametrize(
    "change",
    [str.lower, str.upper, lambda key: key[:-1], lambda key: key + "0", lambda key: " " + key, lambda key: key + "\n"],
)
def test_a_key_that_was_not_copied_whole_is_none(change):
    assert not is_key(change(new_key().reveal()))


@given(st.text(max_size=60))
def test_other_text_is_no_key(text):
    assert not is_key(text)
    assert not is_key("tl_" + text)


def test_the_hash_is_sha_256_in_hex():
    assert hash_key("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
