"""The documents that describe the practice provider."""

import pytest

from tieline.manifest.resolve import resolve
from tieline.testing import practice_basic_document, practice_document, practice_key_document

BASE = "http://127.0.0.1:8399"


def test_the_address_is_filled_in_everywhere():
    document = practice_document(BASE)

    assert "practice.example" not in str(document)
    assert document["api"]["baseUrl"] == f"{BASE}/v1"
    assert document["oauth2"]["tokenUrl"] == f"{BASE}/token"


def test_changes_are_merged_and_none_removes():
    document = practice_document(BASE, id="other", refresh={"rotation": "grace", "grace": 30}, oauth2={"pkce": None})

    assert document["id"] == "other"
    assert document["refresh"] == {"rotation": "grace", "grace": 30}
    assert "pkce" not in document["oauth2"]
    assert document["oauth2"]["scopes"] == ["profile", "items"]


@pytest.mark.parametrize(
    ("location", "apply"),
    [
        ("header", {"headers": {"X-API-Key": "{{ apiKey }}"}}),
        ("query", {"query": {"api_key": "{{ apiKey }}"}}),
        ("body", {"body": {"api_key": "{{ apiKey }}"}}),
        ("cookie", {"cookies": {"session": "{{ apiKey }}"}}),
        ("path", {"path": "/key/{{ apiKey }}"}),
    ],
)
def test_a_key_document_puts_the_key_in_its_place(location, apply):
    resolved = resolve(practice_key_document(BASE, location=location))

    assert resolved["auth"]["default"]["apply"] == apply
    assert "oauth2" not in resolved["auth"]["default"]


def test_a_basic_document_asks_for_a_name_and_a_password():
    resolved = resolve(practice_basic_document(BASE))

    assert resolved["auth"]["default"]["inputs"].keys() == {"username", "password"}


def test_the_document_as_shipped_has_the_shape_of_one():
    resolved = resolve(practice_document(BASE))

    assert resolved["auth"]["default"]["refresh"] == {"rotation": "strict"}
    assert resolved["auth"]["default"]["apply"]["headers"]["Authorization"].startswith("Bearer ")
