"""What this version connects, and what it says about the rest."""

from typing import Any

import pytest

from tieline.manifest import load, resolve
from tieline.manifest.resolve import merge
from tieline.manifest.support import not_yet

from .documents import EXAMPLES, KEY, OAUTH, base


def reasons(document: dict[str, Any], method: str = "default") -> str:
    return " ".join(not_yet(load(resolve(document, base=base)), method))


def oauth(**changes: Any) -> dict[str, Any]:
    return merge(OAUTH, {"oauth2": changes})


@pytest.mark.parametrize(
    "document",
    [
        OAUTH,
        KEY,
        oauth(pkce=False, clientAuth="client_secret_basic", clientAuthEncoding="raw", revokeUrl="https://a.example/r"),
        oauth(clientAuth="none"),
        oauth(issuer="https://acme.example"),
        oauth(token={"capture": {"tokens.user.accessToken": "{{ body.user.token }}"}}),
        OAUTH | {"oauth2": {"grant": "client_credentials", "tokenUrl": "https://acme.example/token"}},
        {"name": "A", "authType": "basic", "api": {"baseUrl": "https://a.example"}},
        {"name": "A", "authType": "none", "api": {"baseUrl": "https://a.example"}},
        KEY | {"onConnect": [{"url": "/x"}], "revoke": [{"url": "/y"}], "check": {"requests": [{"url": "/me"}]}},
        EXAMPLES["06-user-defined-from-template"],
        EXAMPLES["07-regional-zoho"],
        EXAMPLES["08-slack-two-tokens"],
        EXAMPLES["15-wsse-one-line"],
        EXAMPLES["16-host-dependent-auth"],
    ],
    ids=lambda document: document["name"],
)
def test_what_is_executed_has_no_reasons(document: dict[str, Any]):
    assert reasons(document) == ""


def test_methods_are_judged_one_by_one():
    github = EXAMPLES["09-github-three-methods"]

    assert reasons(github, "oauth") == reasons(github, "pat") == ""
    assert "Installing an app" in reasons(github, "app")
    assert "Tokens that Tieline signs" in reasons(github, "app")
    assert "several steps" in reasons(github, "app")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (EXAMPLES["10-aws-sigv4"], "aws-sigv4"),
        (EXAMPLES["11-mcp-server"], "metadata"),
        (EXAMPLES["12-meta-google-workspace"], "members"),
        (EXAMPLES["03-template-rest-api-bearer"], "template"),
        (EXAMPLES["04-template-webhook-hmac"], "nothing to connect"),
        (oauth(grant="device_code"), "device_code"),
        (oauth(grant="urn:ietf:params:oauth:grant-type:jwt-bearer"), "jwt-bearer"),
        (oauth(grant="password"), "password"),
        (oauth(registration="dynamic"), "dynamic"),
        (oauth(clientAuth="private_key_jwt"), "private_key_jwt"),
        (oauth(parUrl="https://acme.example/par"), "Pushed"),
        (oauth(then=[{"url": "/x"}]), "Further exchanges"),
        (oauth(callback={"source": "webhook"}), "webhook"),
        (OAUTH | {"refresh": {"via": "request", "url": "/x"}}, "Renewing"),
        (KEY | {"apply": {"tls": {"cert": "{{ apiKey }}"}}}, "certificates"),
        (KEY | {"check": {"requests": [{"url": "/x", "use": {"sign": {"type": "hawk"}}}]}}, "hawk"),
    ],
)
def test_what_is_not_executed_yet_says_so(document: dict[str, Any], words: str):
    assert words in reasons(document)
