from urllib.parse import parse_qsl, urlsplit

import pytest

from tieline.manifest import OAuth2
from tieline.manifest.templates import Missing
from tieline.protocols.oauth2 import authorization_url, challenge, granted, new_verifier, requested

OAUTH = {
    "redirectUri": "https://connect.acme.example/oauth/callback/cli_1",
    "state": "s-1",
    "scope": "read write",
    "codeChallenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "codeChallengeMethod": "S256",
}


def _oauth2(**keys):
    return OAuth2.model_validate({"authUrl": "https://auth.acme.example/authorize", **keys})


def _url(values=None, **keys):
    scope = {"client": {"id": "client 1&x"}, "oauth": OAUTH, **(values or {})}
    return authorization_url(_oauth2(**keys), scope, inputs={})


def _params(url):
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_it_has_the_parameters_of_rfc_6749_and_rfc_7636_and_no_others():
    url = _url()

    assert url.startswith("https://auth.acme.example/authorize?")
    assert _params(url) == {
        "response_type": "code",
        "client_id": "client 1&x",
        "redirect_uri": "https://connect.acme.example/oauth/callback/cli_1",
        "scope": "read write",
        "state": "s-1",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }


def test_values_are_percent_encoded_and_a_space_is_no_plus():
    assert "client_id=client%201%26x&" in _url()
    assert "scope=read%20write" in _url()


def test_the_challenge_is_that_of_rfc_7636_appendix_b():
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    assert challenge(verifier, "S256") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert challenge(verifier, "plain") == verifier


def test_a_verifier_is_fresh_and_long_enough_for_rfc_7636():
    verifiers = {new_verifier() for _ in range(100)}

    assert len(verifiers) == 100
    assert all(43 <= len(each) <= 128 and each.replace("-", "").replace("_", "").isalnum() for each in verifiers)


def test_a_document_that_cannot_do_pkce_sends_no_challenge():
    assert {"code_challenge", "code_challenge_method"}.isdisjoint(_params(_url(pkce=False)))


def test_without_scopes_there_is_no_scope_parameter():
    assert "scope" not in _params(_url({"oauth": {**OAUTH, "scope": ""}}))


def test_the_document_adds_changes_and_removes_parameters():
    params = {"access_type": "offline", "response_type": None, "client_id": None, "clientId": "{{ client.id }}", "n": 1}

    found = _params(_url(authorize={"params": params}))

    assert found.keys().isdisjoint({"response_type", "client_id"})
    assert (found["access_type"], found["clientId"], found["n"]) == ("offline", "client 1&x", "1")


def test_an_added_parameter_without_its_value_is_left_out():
    params = {"hint": "{{ loginHint }}", "prompt": ["{{ prompt }}", "consent"], "force": True}

    found = _params(_url(authorize={"params": params}))

    assert "hint" not in found
    assert (found["prompt"], found["force"]) == ("consent", "true")


def test_raw_parameters_are_sent_as_they_are():
    url = _url(authorize={"params": {"scope": "read:a,write:b+c"}, "rawParams": ["scope"]})

    assert "scope=read:a,write:b+c" in url


@pytest.mark.parametrize("typed", ["x&redirect_uri=https://evil.example", "x#y", "x y\r\nz", "é"])
def test_a_raw_parameter_never_becomes_another_one(typed):
    url = _url({"typed": typed}, authorize={"params": {"raw": "{{ typed }}"}, "rawParams": ["raw"]})

    found = _params(url)
    assert found["raw"] == typed
    assert found["redirect_uri"] == OAUTH["redirectUri"]
    assert urlsplit(url).fragment == ""


def test_the_parameters_follow_those_the_address_has():
    url = _url(authUrl="https://auth.acme.example/authorize?tenant=t1")

    assert url.startswith("https://auth.acme.example/authorize?tenant=t1&response_type=code&")


@pytest.mark.parametrize("fragment", ["/oauth/authorize", "#/oauth/authorize"])
def test_on_a_hash_route_the_parameters_stand_behind_the_hash(fragment):
    url = _url(authorize={"fragment": fragment})

    assert url.startswith("https://auth.acme.example/authorize#/oauth/authorize?response_type=code&")


def test_an_address_with_a_hash_route_is_kept_as_it_is():
    assert _url(authUrl="https://acme.example/app?v=1#/login").startswith(
        "https://acme.example/app?v=1#/login?response"
    )


def test_an_address_that_needs_a_variable_which_is_missing_cannot_be_built():
    with pytest.raises(Missing):
        _url(authUrl="https://{{ shop }}.acme.example/authorize")


def test_a_document_without_an_authorization_address_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="no address"):
        authorization_url(OAuth2(), {"client": {"id": "c"}, "oauth": OAUTH}, inputs={})


def test_a_state_that_reads_like_a_template_stays_text():
    url = _url({"oauth": {**OAUTH, "state": "{{ client.secret }}"}, "client": {"id": "c", "secret": "canary-s"}})

    assert _params(url)["state"] == "{{ client.secret }}"
    assert "canary" not in url


def test_scopes_are_joined_once_each():
    assert requested(["read", "write", "read"], " ") == "read write"
    assert requested(["a", "b"], ",") == "a,b"
    assert requested([], " ") == ""


def test_granted_scopes_are_read_from_text_lists_and_nothing():
    assert granted("a b  a", asked=["x"]) == ("a", "b")
    assert granted("a,b", asked=["x"]) == ("a", "b")
    assert granted(["a", "b", "a"], asked=["x"]) == ("a", "b")
    assert granted(None, asked=["x"]) == ("x",)
    assert granted("", asked=["x"]) == ("x",)
