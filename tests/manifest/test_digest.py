"""Which edit may reach people at once, and which needs their consent again."""

import copy
from typing import Any

import pytest

from tieline.manifest import resolve
from tieline.manifest.digest import change_class, digest, security_digest
from tieline.manifest.resolve import merge

from .documents import EXAMPLES, KEY, OAUTH, base

FULL = merge(
    OAUTH,
    {
        "description": "A CRM",
        "auth": {
            "default": {
                "type": "oauth2",
                "inputs": {"subdomain": {"label": "Your subdomain"}},
                "oauth2": OAUTH["oauth2"],
                "check": {"requests": [{"url": "/me", "expect": {"status": [200]}}], "every": 600},
            }
        },
        "scopeCatalog": [{"value": "read", "label": "Read"}],
        "webhooks": {"verify": {"scheme": "hmac", "signature": "{{ headers['x-sig'] }}"}},
        "variants": [{"id": "eu", "set": {"subdomain": "eu"}}],
        "rateLimits": {"requestsPerMinute": 60},
    },
)
FULL = {key: value for key, value in FULL.items() if key not in ("authType", "oauth2")}


def edited(path: str, value: object) -> dict[str, Any]:
    document = copy.deepcopy(FULL)
    *steps, last = path.split("/")
    at: Any = document
    for step in steps:
        at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
    at[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("name", "Acme Ltd", "cosmetic"),
        ("version", "2.0.0", "cosmetic"),
        ("logoUrl", "https://acme.example/new.svg", "cosmetic"),
        ("branding/displayName", "Ours", "cosmetic"),
        ("auth/default/inputs/subdomain/label", "Subdomain", "cosmetic"),
        ("auth/default/label", "Sign in", "cosmetic"),
        ("scopeCatalog/0/label", "Read all", "cosmetic"),
        ("status", "deprecated", "cosmetic"),
        ("rateLimits/requestsPerMinute", 30, "behaviour"),
        ("api/retry/maxAttempts", 5, "behaviour"),
        ("api/pagination", {"type": "link"}, "behaviour"),
        ("auth/default/lifetime", 3600, "behaviour"),
        ("auth/default/refresh/before", 60, "behaviour"),
        ("auth/default/check/every", 60, "behaviour"),
        ("auth/default/check/requests/0/expect/status", [200, 204], "behaviour"),
        ("api/baseUrl", "https://evil.example", "security"),
        ("api/allowedHosts", ["*.evil.example"], "security"),
        ("api/headers", {"X-Copy": "{{ credential.accessToken }}"}, "security"),
        ("api/authOnRedirect", True, "security"),
        ("auth/default/oauth2/tokenUrl", "https://evil.example/token", "security"),
        ("auth/default/oauth2/authUrl", "https://evil.example/authorize", "security"),
        ("auth/default/oauth2/revokeUrl", "https://evil.example/revoke", "security"),
        ("auth/default/oauth2/scopes", ["everything"], "security"),
        ("auth/default/oauth2/clientAuth", "none", "security"),
        ("auth/default/oauth2/pkce", False, "security"),
        ("auth/default/oauth2/token", {"capture": {"host": "{{ body.host }}"}}, "security"),
        ("auth/default/apply", {"query": {"t": "{{ credential.accessToken }}"}}, "security"),
        ("auth/default/check/requests/0/url", "https://evil.example/me", "security"),
        ("auth/default/check/requests/0/headers", {"X": "{{ credential.accessToken }}"}, "security"),
        ("auth/default/onConnect", [{"url": "https://evil.example/"}], "security"),
        ("auth/default/inputs/subdomain/pattern", ".*", "security"),
        ("auth/default/inputs/subdomain/secret", True, "security"),
        ("auth/default/refresh/url", "https://evil.example/", "security"),
        ("variants/0/set/subdomain", "evil", "security"),
        ("variants/0/override", {"api": {"baseUrl": "https://evil.example"}}, "security"),
        ("scopeCatalog/0/default", True, "security"),
        ("webhooks/verify", {"scheme": "none"}, "security"),
        ("webhooks/secret", {"required": False}, "security"),
        ("x-note", "later", "none"),
    ],
)
def test_an_edit_is_as_grave_as_its_gravest_field(path: str, value: object, expected: str):
    old, new = resolve(FULL), resolve(edited(path, value))

    assert change_class(old, new) == expected
    assert (security_digest(old) != security_digest(new)) == (expected == "security")


def test_a_field_that_nobody_classified_is_security():
    old = resolve(KEY)

    assert change_class(old, old | {"newBlock": {"label": "x"}}) == "security"
    assert change_class(old, merge(old, {"api": {"newSwitch": True}})) == "security"


def test_removing_and_adding_empty_things_counts():
    old = resolve(OAUTH)

    assert change_class(old, merge(old, {"api": {"allowedHosts": []}})) == "security"


def test_the_same_document_has_the_same_digests_whatever_the_order_of_its_keys():
    one = resolve(EXAMPLES["08-slack-two-tokens"])
    other = dict(reversed(one.items()))

    assert change_class(one, other) == "none"
    assert digest(one) == digest(other)
    assert security_digest(one) == security_digest(other)


def test_a_white_label_has_the_security_digest_of_its_base():
    branded = resolve(EXAMPLES["14-white-label"], base=base)
    plain = resolve(dict(base("google-mail")))

    assert change_class(plain, branded) == "cosmetic"
    assert security_digest(plain) == security_digest(branded)
