"""What people type is normalised, checked and completed before anything is rendered."""

from typing import Any

import pytest

from tieline.errors import InvalidInputs
from tieline.manifest.inputs import asked_of, derived, read_inputs
from tieline.manifest.model import Input

USER = {"user", "adminOrUser"}
ADMIN = {"admin", "adminOrUser"}


def declared(**inputs: dict[str, Any]) -> dict[str, Input]:
    return {name: Input.model_validate(each) for name, each in inputs.items()}


def read(declaration: dict[str, Any], value: object) -> object:
    return read_inputs(declared(x=declaration), {"x": value}, from_=USER).get("x")


def faults(inputs: dict[str, Input], given: dict[str, object], from_: set[str] = USER) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInputs) as caught:
        read_inputs(inputs, given, from_=from_)
    return [(fault.path, fault.code) for fault in caught.value.errors]


@pytest.mark.parametrize(
    ("declaration", "value", "expected"),
    [
        ({}, "k-1\n", "k-1"),
        ({}, " k ", " k "),
        ({"normalize": ["trim", "lowercase"]}, " ACME ", "acme"),
        ({"normalize": ["stripScheme", "stripPath"]}, "https://acme.example/a/b?c", "acme.example"),
        ({"normalize": ["stripTrailingSlash"]}, "https://acme.example/a/", "https://acme.example/a"),
        ({"prefix": "https://", "suffix": ".acme.example"}, "https://mine.acme.example", "mine"),
        (
            {"prefix": "https://", "suffix": ".acme.example", "normalize": ["stripPath"]},
            "https://mine.acme.example/x",
            "mine",
        ),
        ({"suffix": ".acme.example"}, "mine", "mine"),
        ({"type": "number"}, "42", 42),
        ({"type": "number"}, 4.5, 4.5),
        ({"type": "boolean"}, "false", False),
        ({"type": "choice", "options": [1, {"value": "eu"}]}, "1", 1),
        ({"type": "choice", "options": [{"value": True}]}, "true", True),
        ({"type": "url"}, " https://acme.example/ ", "https://acme.example"),
        ({"type": "url"}, "http://127.0.0.1:8080/api/", "http://127.0.0.1:8080/api/"),
        ({"type": "hostname"}, "ACME.example", "acme.example"),
        ({"type": "hostname"}, "acme.example:8443", "acme.example:8443"),
        ({"type": "email"}, "ada@acme.example", "ada@acme.example"),
        ({"type": "uuid"}, "123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
        ({"type": "json"}, '{"a": [1]}', {"a": [1]}),
        ({"type": "json"}, {"a": 1}, {"a": 1}),
        ({"type": "list"}, "a, b\nc,", ["a", "b", "c"]),
        ({"type": "list"}, '["a", "b"]', ["a", "b"]),
        ({"type": "text"}, "a\nb", "a\nb"),
        ({"pattern": "[a-z]{2}[0-9]+"}, "ab12", "ab12"),
    ],
)
def test_a_value_is_read_as_its_type(declaration: dict[str, Any], value: object, expected: object):
    assert read(declaration, value) == expected


@pytest.mark.parametrize(
    ("declaration", "value"),
    [
        ({}, 5),
        ({}, "a\nb"),
        ({}, "a\0"),
        ({}, "\ud800"),
        ({}, "x" * 70_000),
        ({"type": "number"}, "many"),
        ({"type": "number"}, "nan"),
        ({"type": "number"}, True),
        ({"type": "boolean"}, "yes"),
        ({"type": "boolean"}, 1),
        ({"type": "choice", "options": ["a"]}, "b"),
        ({"type": "choice", "options": ["a"]}, ["a"]),
        ({"options": ["a"]}, "b"),
        ({"type": "url"}, "acme.example"),
        ({"type": "url"}, "ftp://acme.example"),
        ({"type": "url"}, "javascript:alert(1)"),
        ({"type": "url"}, "https://me:word@acme.example"),
        ({"type": "url"}, "https://acme.example@evil.example"),
        ({"type": "url"}, "https://acme.example\\@evil.example"),
        ({"type": "url"}, "https://acme.example/#x"),
        ({"type": "url"}, "https://acme.example:99999"),
        ({"type": "url"}, "https://"),
        ({"type": "url"}, "https://a cme.example"),
        ({"type": "url"}, "https://[::1"),
        ({"type": "hostname"}, "https://acme.example"),
        ({"type": "hostname"}, "acme.example/x"),
        ({"type": "hostname"}, "acme..example"),
        ({"type": "hostname"}, "user@acme.example"),
        ({"type": "email"}, "ada"),
        ({"type": "email"}, "ada@a b"),
        ({"type": "uuid"}, "123"),
        ({"type": "pem"}, "secret"),
        ({"type": "json"}, "[1"),
        ({"type": "json"}, "3"),
        ({"type": "list"}, 3),
        ({"pattern": "[a-z]+"}, "ab1"),
        ({"pattern": "a|b"}, "ab"),
        ({"minLength": 3}, "ab"),
        ({"maxLength": 3}, "abcd"),
    ],
)
def test_a_value_that_does_not_fit_is_a_fault(declaration: dict[str, Any], value: object):
    assert faults(declared(x=declaration), {"x": value}) == [("/inputs/x", "invalid")]


@pytest.mark.parametrize(
    "pasted",
    [
        "-----BEGIN PRIVATE KEY-----\nAAAA\nBBBB\n-----END PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\\nAAAABBBB\\n-----END PRIVATE KEY-----",
        "  -----BEGIN PRIVATE KEY----- AAAA BBBB -----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\r\nAAAABBBB\r\n-----END PRIVATE KEY-----\r\n",
    ],
)
def test_a_pasted_key_gets_its_lines_back(pasted: str):
    assert read({"type": "pem"}, pasted) == "-----BEGIN PRIVATE KEY-----\nAAAABBBB\n-----END PRIVATE KEY-----\n"


def test_many_half_keys_take_no_time():
    assert faults(declared(x={"type": "pem"}), {"x": "-----BEGIN A-----" * 3000}) == [("/inputs/x", "invalid")]


def test_every_fault_comes_at_once_and_none_repeats_a_value():
    inputs = declared(a={"type": "url"}, b={"secret": True, "pattern": "k-.+"}, c={"label": "Region"})

    with pytest.raises(InvalidInputs) as caught:
        read_inputs(inputs, {"a": "hunter2", "b": "hunter2", "d": "hunter2"}, from_=USER)

    assert {(fault.path, fault.code) for fault in caught.value.errors} == {
        ("/inputs/a", "invalid"),
        ("/inputs/b", "invalid"),
        ("/inputs/c", "required"),
        ("/inputs/d", "unknown_input"),
    }
    assert "hunter2" not in repr(caught.value.errors)


def test_what_is_not_given_is_the_default_or_left_out():
    inputs = declared(a={"default": "x"}, b={"required": False}, c={"type": "number", "default": 3})

    assert read_inputs(inputs, {"a": "", "b": None}, from_=USER) == {"a": "x", "c": 3}


def test_only_those_who_are_asked_may_give():
    inputs = declared(site={"from": "admin"}, key={}, host={"from": "adminOrUser"}, found={"from": "flow"})

    assert read_inputs(inputs, {"key": "k", "host": "h"}, from_=USER) == {"key": "k", "host": "h"}
    assert faults(inputs, {"key": "k", "host": "h", "site": "evil"}) == [("/inputs/site", "unknown_input")]
    assert faults(inputs, {"key": "k", "host": "h", "found": "evil"}) == [("/inputs/found", "unknown_input")]


def test_an_admin_may_leave_it_to_the_user():
    inputs = declared(host={"from": "adminOrUser", "default": "acme.example"})

    assert read_inputs(inputs, {}, from_=ADMIN) == {}
    assert read_inputs(inputs, {}, from_=USER) == {"host": "acme.example"}


def test_an_invisible_input_is_not_asked_for():
    inputs = declared(
        port={"visibleWhen": {"input": "own", "equals": True}, "type": "number"},
        own={"type": "boolean", "default": False},
    )

    assert read_inputs(inputs, {"port": "bad"}, from_=USER) == {"own": False}
    assert faults(inputs, {"own": True}) == [("/inputs/port", "required")]
    assert read_inputs(inputs, {"own": "true", "port": 1}, from_=USER) == {"own": True, "port": 1}


def test_inputs_that_wait_for_each_other_are_never_visible():
    inputs = declared(
        a={"visibleWhen": {"input": "b", "equals": "x"}}, b={"visibleWhen": {"input": "a", "equals": "x"}}
    )

    assert read_inputs(inputs, {"a": "x", "b": "x"}, from_=USER) == {}


def test_choices_set_variables_and_formulas_follow():
    inputs = declared(
        region={"options": [{"value": "us", "set": {"cell": "us1"}}, {"value": "eu", "set": {"cell": "eu7"}}]},
        cell={"from": "flow"},
        host={"from": "computed", "value": "{{ cell }}.acme.example"},
        url={"from": "computed", "value": ["{{ nothing }}", "https://{{ host }}"]},
        never={"from": "computed", "value": "{{ nothing }}"},
        fixed={"from": "template", "default": "v1"},
    )

    assert derived(inputs, {"region": "eu"}, {}) == {
        "cell": "eu7",
        "host": "eu7.acme.example",
        "url": "https://eu7.acme.example",
        "fixed": "v1",
    }


def test_what_a_person_gave_is_not_overwritten_by_a_choice():
    inputs = declared(region={"options": [{"value": "eu", "set": {"cell": "eu7"}}]}, cell={})

    assert derived(inputs, {"region": "eu", "cell": "mine"}, {}) == {}


def test_a_form_shows_the_inputs_in_their_order():
    inputs = declared(b={"order": 2}, z={}, a={"order": 1}, h={"hidden": True}, admin={"from": "admin"})

    assert [name for name, _ in asked_of(inputs, ["user"])] == ["a", "b", "z"]
