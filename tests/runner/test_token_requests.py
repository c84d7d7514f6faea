"""What reaches a token endpoint, byte for byte: each call is rendered and sent by the runner."""

import base64
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote_plus

import pytest

from tieline.manifest import OAuth2
from tieline.manifest.model import Refresh
from tieline.manifest.origins import OriginSet
from tieline.manifest.templates import Missing
from tieline.protocols.oauth2 import client_credentials_request, code_request, refresh_request, revoke_request
from tieline.runner import Setting, run

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ID, SECRET = "client:1 é", "s+c/r%t=&"
VALUES = {
    "client": {"id": ID, "secret": SECRET},
    "credential": {"accessToken": "a0", "refreshToken": "r0"},
    "oauth": {
        "code": "c0d3",
        "redirectUri": "https://connect.acme.example/oauth/callback/cli_1",
        "codeVerifier": "v3r1f13r",
        "scope": "read write",
        "token": "r0",
        "tokenTypeHint": "refresh_token",
    },
}


@pytest.fixture
def send(upstream, egress):
    async def send(make, *more, values=None, **keys):
        oauth2 = OAuth2.model_validate({"tokenUrl": f"{upstream.url}/token", **keys})
        setting = Setting({**VALUES, **(values or {})}, inputs={}, to=OriginSet.of(upstream.url))
        outcome = await run(make(oauth2, *more), setting, egress, now=NOW)
        outcome.required()
        return upstream.last

    return send


CLIENT = {"client_id": ID, "client_secret": SECRET}
CODE = {
    "grant_type": "authorization_code",
    "code": "c0d3",
    "redirect_uri": "https://connect.acme.example/oauth/callback/cli_1",
    "code_verifier": "v3r1f13r",
}


async def test_a_code_is_exchanged_as_in_rfc_6749_section_4_1_3(send):
    sent = await send(code_request)

    assert (sent.method, sent.path, sent.query) == ("POST", "/token", "")
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    assert sent.headers["accept"] == "application/json"
    assert "authorization" not in sent.headers
    assert sent.form == {**CODE, **CLIENT}


async def test_without_pkce_no_verifier_is_sent(send):
    sent = await send(code_request, pkce=False)

    assert "code_verifier" not in sent.form


async def test_a_client_without_secret_names_itself_only(send):
    sent = await send(code_request, clientAuth="none", values={"client": {"id": ID, "secret": None}})

    assert sent.form == {**CODE, "client_id": ID}
    assert "authorization" not in sent.headers


@pytest.mark.parametrize(
    ("encoding", "pair"), [("form", f"{quote_plus(ID)}:{quote_plus(SECRET)}"), ("raw", f"{ID}:{SECRET}")]
)
async def test_basic_encodes_the_client_as_the_document_says(send, encoding, pair):
    sent = await send(code_request, clientAuth="client_secret_basic", clientAuthEncoding=encoding)

    scheme, _, value = sent.headers["authorization"].partition(" ")
    decoded = base64.b64decode(value).decode()
    assert scheme == "Basic"
    assert decoded.replace("%20", "+") == pair.replace("%20", "+")
    assert sent.form == CODE


async def test_client_credentials_are_asked_for_as_in_rfc_6749_section_4_4_2(send):
    sent = await send(client_credentials_request)

    assert sent.form == {"grant_type": "client_credentials", "scope": "read write", **CLIENT}


async def test_a_refresh_is_asked_for_as_in_rfc_6749_section_6(send):
    sent = await send(refresh_request, Refresh())

    assert sent.form == {"grant_type": "refresh_token", "refresh_token": "r0", **CLIENT}


async def test_a_token_is_revoked_as_in_rfc_7009(send, upstream):
    upstream.answers(b"")

    sent = await send(revoke_request, revokeUrl=f"{upstream.url}/revoke")

    assert sent.path == "/revoke"
    assert sent.form == {"token": "r0", "token_type_hint": "refresh_token", **CLIENT}


async def test_the_document_changes_the_token_call(send, upstream):
    token = {
        "params": {"grant_type": None, "client_secret": None, "clientSecret": "{{ client.secret }}", "audience": "x"},
        "headers": {"Accept": None, "X-Version": "2"},
    }

    sent = await send(code_request, token=token)

    assert sent.form == {
        **{name: value for name, value in CODE.items() if name != "grant_type"},
        "client_id": ID,
        "clientSecret": SECRET,
        "audience": "x",
    }
    assert sent.headers["x-version"] == "2"
    assert sent.headers.get("accept") != "application/json"


async def test_the_token_call_may_be_json(send):
    sent = await send(code_request, token={"format": "json"})

    assert sent.headers["content-type"] == "application/json"
    assert b'"code": "c0d3"' in sent.body


async def test_the_token_call_may_be_a_query(send):
    sent = await send(code_request, token={"format": "query", "method": "GET"})

    assert (sent.method, sent.body) == ("GET", b"")
    assert dict(parse_qsl(sent.query)) == {**CODE, **CLIENT}


async def test_a_refresh_goes_where_the_document_says(send, upstream):
    own, named = {"url": f"{upstream.url}/own"}, f"{upstream.url}/named"
    token = {"url": f"{upstream.url}/token-call"}

    async def path(refresh, **keys):
        return (await send(refresh_request, Refresh.model_validate(refresh), **keys)).path

    assert await path({}) == "/token"
    assert await path({}, token=token) == "/token-call"
    assert await path({}, token=token, refreshUrl=named) == "/named"
    assert await path(own, token=token, refreshUrl=named) == "/own"


async def test_a_refresh_is_made_like_the_token_call_but_without_its_parameters(send):
    token = {"format": "json", "headers": {"X-Version": "2"}, "params": {"audience": "x"}}

    sent = await send(
        refresh_request, Refresh.model_validate({"params": {"extra": "1", "client_id": None}}), token=token
    )

    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["x-version"] == "2"
    assert b"audience" not in sent.body
    assert b'"extra": "1"' in sent.body
    assert b"client_id" not in sent.body


HOSTILE = [
    "{{ client.secret }}",
    "{{client.secret}}",
    "%7B%7B client.secret %7D%7D",
    "a&client_id=evil",
    "a\r\nX: y",
    "é=&",
]


@pytest.mark.parametrize("code", HOSTILE)
async def test_a_code_that_reads_like_a_template_stays_text(send, code):
    sent = await send(code_request, values={"oauth": {**VALUES["oauth"], "code": code}})

    assert sent.form == {**CODE, **CLIENT, "code": code}


@pytest.mark.parametrize("token", HOSTILE)
async def test_a_refresh_token_that_reads_like_a_template_stays_text(send, token):
    sent = await send(refresh_request, Refresh(), values={"credential": {"refreshToken": token}})

    assert sent.form == {"grant_type": "refresh_token", "refresh_token": token, **CLIENT}


@pytest.mark.parametrize(
    ("auth", "client"),
    [
        ("client_secret_basic", {"id": "c", "secret": None}),
        ("client_secret_basic", {"id": None, "secret": "s"}),
        ("client_secret_post", {"id": "c", "secret": None}),
        ("client_secret_post", {"id": "c", "secret": ""}),
        ("client_secret_post", {"id": None, "secret": "s"}),
        ("none", {"id": None, "secret": None}),
    ],
)
async def test_a_call_whose_client_is_missing_never_goes_out(send, upstream, auth, client):
    with pytest.raises(Missing):
        await send(code_request, clientAuth=auth, values={"client": client})

    assert upstream.sent == []


async def test_what_a_standard_answer_holds_is_captured(upstream, egress):
    upstream.answers(
        '{"access_token": "a1", "refresh_token": "r1", "id_token": "i1", "token_type": "bearer", "expires_in": 60,'
        ' "refresh_token_expires_in": 600, "scope": "read", "more": "x"}'
    )
    oauth2 = OAuth2.model_validate(
        {"tokenUrl": f"{upstream.url}/token", "token": {"capture": {"more": "{{body.more}}"}}}
    )
    setting = Setting(VALUES, inputs={}, to=OriginSet.of(upstream.url))

    outcome = await run(code_request(oauth2), setting, egress, now=NOW)

    assert outcome.captured == {
        "accessToken": "a1",
        "refreshToken": "r1",
        "idToken": "i1",
        "tokenType": "bearer",
        "expiresIn": 60,
        "refreshExpiresIn": 600,
        "scope": "read",
        "more": "x",
    }
