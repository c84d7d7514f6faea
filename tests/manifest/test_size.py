"""Anybody may send a document to be checked: none keeps the others waiting for it."""

import time

import pytest

from tieline.manifest.resolve import resolve
from tieline.manifest.validate import MOST_FAULTS, find_faults

BASE = {"name": "Acme", "api": {"baseUrl": "https://api.acme.example"}}
LONGEST = 8.0
"""Seconds, on a slow and busy machine; each of these took longer than that, up to minutes."""


def method(headers):
    return {"type": "api_key", "apply": {"headers": headers}}


def faults_in_time(document):
    started = time.monotonic()
    found = find_faults({**BASE, **document})
    assert time.monotonic() - started < LONGEST
    return found


def test_more_than_a_provider_has_is_a_fault_at_once():
    inputs = {f"input{number}": {} for number in range(1500)}
    methods = {f"method{number}": method({"X": "{{ input1 }}"}) for number in range(1000)}
    variants = [{"id": f"v{number}", "override": {"description": "x"}} for number in range(2000)]

    found = faults_in_time({"inputs": inputs, "auth": methods, "variants": variants})

    assert [(fault.path, fault.code) for fault in found] == [
        ("/inputs", "too_many"),
        ("/auth", "too_many"),
        ("/variants", "too_many"),
        ("", "too_large"),
    ]


def test_variants_that_patch_a_large_document_are_a_fault():
    variants = [{"id": f"v{number}", "override": {"description": "x"}} for number in range(100)]
    headers = {f"X{number}": "{{ key }}" for number in range(1000)}

    found = faults_in_time({"inputs": {"key": {}}, "auth": {"default": method(headers)}, "variants": variants})

    assert [(fault.path, fault.code) for fault in found] == [("/variants", "too_large")]


def test_a_large_document_within_the_limits_is_checked_soon():
    headers = {f"X{number}": "{{ key }}" for number in range(9000)}

    assert faults_in_time({"inputs": {"key": {}}, "auth": {"default": method(headers)}}) == []


@pytest.mark.parametrize(
    "document",
    [
        {"auth": {"default": method({f"X{number}": f"{{{{ other{number} }}}}" for number in range(3000)})}},
        {f"unknown{number}": 1 for number in range(9000)},
    ],
)
def test_of_very_many_faults_the_first_are_told(document):
    found = faults_in_time({"inputs": {f"input{number}": {} for number in range(200)}, **document})

    assert len(found) == MOST_FAULTS


def test_what_a_template_leaves_open_has_its_limit_too():
    headers = {f"X{number}": f"{{{{ param{number} }}}}" for number in range(2000)}
    document = {**BASE, "isTemplate": True, "auth": {"default": method(headers)}}

    assert [fault.code for fault in faults_in_time(document)] == ["too_many"]


def test_what_a_template_leaves_open_is_asked_for():
    headers = {"A": "{{ one }}", "B": "{{ siteUrl }}", "C": "{{ two }}"}
    document = {**BASE, "isTemplate": True, "inputs": {"two": {}}, "auth": {"default": method(headers)}}

    inputs = resolve(document)["inputs"]

    assert {name: (each.get("from"), each.get("type")) for name, each in inputs.items()} == {
        "one": ("template", "string"),
        "siteUrl": ("template", "url"),
        "two": (None, None),
    }


def test_a_document_that_became_too_large_over_its_base_is_a_fault():
    bases = {"half@*": {**BASE, "inputs": {f"a{number}": {} for number in range(150)}}}
    document = {"extends": "half@*", "inputs": {f"b{number}": {} for number in range(150)}}

    found = find_faults(document, base=lambda reference: bases[reference])

    assert [(fault.path, fault.code) for fault in found] == [("/inputs", "too_many")]
