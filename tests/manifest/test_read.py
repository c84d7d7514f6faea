"""What a document's text may hold."""

from typing import Literal

import pytest

from tieline.errors import InvalidProvider
from tieline.manifest import read_document


def refused(text: str | bytes, media: Literal["json", "yaml"]) -> tuple[str, str]:
    with pytest.raises(InvalidProvider) as caught:
        read_document(text, media=media)
    return caught.value.errors[0].code, caught.value.detail


def test_yaml_words_and_dates_stay_text():
    document = read_document("on: yes\nday: 2024-01-01\nn: no\noff: off\ntime: 12:30:00", media="yaml")

    assert document == {"on": "yes", "day": "2024-01-01", "n": "no", "off": "off", "time": "12:30:00"}


def test_yaml_numbers_booleans_and_null_are_those_of_json():
    document = read_document("a: 1\nb: -2.5\nc: true\nd: ~\ne:\nf: '1'\ng: 0x1f\nh: 1e3\ni: null", media="yaml")

    assert document == {"a": 1, "b": -2.5, "c": True, "d": None, "e": None, "f": "1", "g": 31, "h": 1000.0, "i": None}


def test_keys_are_text_in_yaml_too():
    assert read_document("200: ok\ntrue: x", media="yaml") == {"200": "ok", "true": "x"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: &x [1]\nb: *x", "alias"),
        ("a: 1\na: 2", "duplicate_key"),
        ("a: !!python/object/apply:os.system [x]", "tag"),
        ("a: !include x", "tag"),
        ("a: .nan", "unreadable"),
        ("a: -.inf", "unreadable"),
        ("a: 1e999", "unreadable"),
        ("a: 1\n---\nb: 2", "unreadable"),
        ("? [a]\n: b", "unreadable"),
        ("- a", "unreadable"),
        ("", "unreadable"),
        ("a: [", "unreadable"),
        ("a: \x00", "unreadable"),
        ("a: " + "9" * 5000, "unreadable"),
        ("a: " + "[" * 70 + "]" * 70, "too_deep"),
        ("a: " + "[" * 100_000, "too_deep"),
        ("#" * (1024 * 1024 + 1), "too_large"),
    ],
)
def test_yaml_traps_are_refused(text: str, code: str):
    assert refused(text, "yaml")[0] == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"a": 1, "a": 2}', "duplicate_key"),
        ('{"x": {"a": 1, "a": 2}}', "duplicate_key"),
        ('{"a": NaN}', "unreadable"),
        ('{"a": -Infinity}', "unreadable"),
        ('{"a": 1e999}', "unreadable"),
        ('{"a": ' + "9" * 5000 + "}", "unreadable"),
        ('{"a": "\\ud800"}', "unreadable"),
        ('{"a": "\\u0000"}', "unreadable"),
        ('{"a": 1,}', "unreadable"),
        ("[1]", "unreadable"),
        ("[" * 100_000, "too_deep"),
        ('{"a":' * 65 + "1" + "}" * 65, "too_deep"),
        (" " * (1024 * 1024 + 1), "too_large"),
        (b"\xff{}", "unreadable"),
    ],
)
def test_json_traps_are_refused(text: str | bytes, code: str):
    assert refused(text, "json")[0] == code


def test_a_fault_names_its_line():
    assert "line 3" in refused("a: 1\nb: 2\na: 3", "yaml")[1]
    assert "line 2" in refused('{"a": 1\n "b": 2}', "json")[1]


def test_a_byte_order_mark_is_no_fault():
    assert read_document(b'\xef\xbb\xbf{"name": "Acme"}', media="json") == {"name": "Acme"}
