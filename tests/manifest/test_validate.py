"""Every fault at once, each at the author's own line."""

from typing import Any

import pytest

from tieline.errors import Fault
from tieline.manifest.resolve import merge
from tieline.manifest.validate import find_faults

from .documents import EXAMPLES, KEY, OAUTH, SCHEMES, SEED, base


def faults(document: dict[str, Any]) -> dict[str, str]:
    """Path -> code; of the faults at one path the first."""
    return {fault.path: fault.code for fault in reversed(find_faults(document, base=base))}


def errors(document: dict[str, Any]) -> list[Fault]:
    return [fault for fault in find_faults(document, base=base) if fault.severity == "error"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_have_no_faults(name: str):
    assert find_faults(EXAMPLES[name], base=base) == []


@pytest.mark.parametrize("row", SCHEMES, ids=lambda row: row["provider"])
def test_the_webhook_schemes_have_no_errors(row: dict[str, Any]):
    document = {"id": row["provider"], "name": row["provider"], "authType": "webhook", "webhooks": row["webhooks"]}

    assert errors(document) == []


def test_the_first_documents_have_no_faults():
    templates = [template | {"id": name, "isTemplate": True} for name, template in SEED["templates"].items()]

    assert [find_faults(document) for document in [SEED["custom"], *templates]] == [[], [], [], []]


def test_five_faults_are_five_faults_with_their_paths():
    document = {
        "name": "Acme",
        "authType": "oauth2",
        "nmae": "x",
        "version": "1",
        "oauth2": {
            "authUrl": "http://acme.example/authorize",
            "tokenUrl": "https://{{ subdomian }}.acme.example/token",
            "clientAuth": "secret",
        },
        "inputs": {"subdomain": {}},
    }

    found = faults(document)

    assert {path: code for path, code in found.items() if code != "base_url_missing"} == {
        "/nmae": "unknown_key",
        "/version": "bad_version",
        "/oauth2/authUrl": "insecure_url",
        "/oauth2/tokenUrl": "unknown_variable",
        "/oauth2/clientAuth": "not_allowed",
    }


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"id": "Acme Inc"}, "/id", "bad_format"),
        ({"name": ""}, "/name", "bad_value"),
        ({"manifest": "2"}, "/manifest", "not_allowed"),
        ({"version": "v1"}, "/version", "bad_version"),
        ({"tags": "crm"}, "/tags", "wrong_type"),
        ({"logoUrl": "javascript:alert(1)"}, "/logoUrl", "bad_link"),
        ({"links": {"home": "https://acme.example"}}, "/links/home", "unknown_key"),
        ({"rateLimits": {"requestsPerMinute": "60"}}, "/rateLimits/requestsPerMinute", "wrong_type"),
        ({"rateLimits": {"requestsPerMinute": 0}}, "/rateLimits/requestsPerMinute", "bad_value"),
        ({"inputs": {"1st": {}}}, "/inputs/1st", "bad_name"),
        ({"inputs": {"body": {}}}, "/inputs/body", "reserved_name"),
        ({"inputs": {"x": {"pattern": "(?=a)"}}}, "/inputs/x/pattern", "bad_pattern"),
        ({"inputs": {"x": {"pattern": "a" * 501}}}, "/inputs/x/pattern", "bad_value"),
        ({"inputs": {"x": {"secret": True, "default": "k"}}}, "/inputs/x/default", "secret_default"),
        ({"inputs": {"x": {"type": "url", "default": "nope"}}}, "/inputs/x/default", "bad_default"),
        ({"inputs": {"x": {"type": "url", "default": "http://a.example"}}}, "/inputs/x/default", "insecure_url"),
        ({"inputs": {"x": {"type": "choice"}}}, "/inputs/x/options", "options_missing"),
        ({"inputs": {"x": {"from": "computed"}}}, "/inputs/x/value", "formula_missing"),
        (
            {"inputs": {"x": {"visibleWhen": {"input": "y", "equals": 1}}}},
            "/inputs/x/visibleWhen/input",
            "unknown_variable",
        ),
        ({"api": {"baseUrl": "http://api.acme.example"}}, "/api/baseUrl", "insecure_url"),
        ({"api": {"baseUrl": "https://me:word@api.acme.example"}}, "/api/baseUrl", "url_credentials"),
        ({"api": {"baseUrl": "api.acme.example"}}, "/api/baseUrl", "bad_url"),
        ({"api": {"baseUrl": "https://{{ region }}/x"}, "inputs": {"region": {}}}, "/api/baseUrl", "bad_url"),
        ({"api": {"allowedHosts": ["*"]}}, "/api/allowedHosts/0", "bad_host"),
        ({"api": {"allowedHosts": ["a.example", "*.com"]}}, "/api/allowedHosts/1", "bad_host"),
        ({"api": {"allowedHosts": ["*.co.uk"]}}, "/api/allowedHosts/0", "bad_host"),
        ({"api": {"allowedHosts": ["acme*.example"]}}, "/api/allowedHosts/0", "bad_host"),
        ({"api": {"allowedHosts": ["https://acme.example"]}}, "/api/allowedHosts/0", "bad_host"),
        ({"api": {"allowedHosts": ["{{ host }}"]}}, "/api/allowedHosts/0", "template_not_allowed"),
        ({"api": {"headers": {"X": "{{ body.x }}"}}}, "/api/headers/X", "unknown_variable"),
        ({"api": {"headers": {"X": "{{ 'a }}"}}}, "/api/headers/X", "template"),
        ({"api": {"headers": {"X": "{% if x %}"}}}, "/api/headers/X", "template"),
        ({"apply": {"headers": {"X": "{{ apiKey | encrypt }}"}}}, "/apply/headers/X", "template"),
        ({"apply": {"headers": {"X": "{{ credential.token }}"}}}, "/apply/headers/X", "unknown_variable"),
        ({"apply": {"headers": {"X": "{{ mint.app }}"}}}, "/apply/headers/X", "unknown_variable"),
        ({"check": {"requests": []}}, "/check/requests", None),
        (
            {"check": {"requests": [{"url": "/me", "expect": {"status": ["2x"]}}]}},
            "/check/requests/0/expect/status/0",
            "bad_format",
        ),
        ({"check": {"requests": [{"url": "/me", "querry": {}}]}}, "/check/requests/0/querry", "unknown_key"),
        ({"check": {"requests": [{"url": "/{{ body.id }}"}]}}, "/check/requests/0/url", "unknown_variable"),
        ({"onConnect": [{"url": "https://{{ body.host }}/x"}]}, "/onConnect/0/url", "unknown_variable"),
        ({"variants": [{"id": "a"}, {"id": "a"}]}, "/variants", "duplicate_id"),
        (
            {"webhooks": {"signatureHeader": "X-S", "signatureAlgorithm": "hmac-md6"}},
            "/webhooks/signatureAlgorithm",
            "not_allowed",
        ),
        ({"webhooks": {"verify": {"algorithm": "sha256"}}}, "/webhooks/verify/signature", "missing_key"),
        ({"webhooks": {}}, "/webhooks/verify", "unsigned_webhooks"),
        ({"webhooks": {"event": {"id": "{{ headrs['x'] }}"}}}, "/webhooks/event/id", "unknown_variable"),
        ({"auth": {"b": {"type": "basic"}}}, "/apiKey", "mixed_auth"),
        ({"extends": "nowhere"}, "/extends", "unknown_base"),
        ({"extends": "acme"}, "/extends", "cyclic"),
        ({"params": {"x": 1}}, "/params/x", "unknown_param"),
    ],
)
def test_a_fault_says_where_and_what(changes: dict[str, Any], path: str, code: str | None):
    assert faults(KEY | changes).get(path) == code


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"name": "A", "authType": "oauth2"}, "/oauth2"),
        ({"name": "A", "authType": "oauth2", "oauth2": {"tokenUrl": "https://a.example"}}, "/oauth2/authUrl"),
        ({"name": "A", "authType": "oauth2", "oauth2": {"authUrl": "https://a.example"}}, "/oauth2/tokenUrl"),
        ({"name": "A", "authType": "api_key"}, "/apply"),
        ({"name": "A", "authType": "session"}, "/steps"),
        ({"name": "A", "auth": {"x": {"type": "oauth1"}}}, "/auth/x/oauth1"),
        ({"authType": "none"}, "/name"),
    ],
)
def test_a_missing_piece_is_named(document: dict[str, Any], path: str):
    assert faults(document)[path] == "missing_key"


def test_who_has_to_name_the_issuer_must_have_one():
    faulty = merge(OAUTH, {"oauth2": {"callback": {"requireIssuer": True}}})

    assert faults(faulty)["/oauth2/issuer"] == "missing_key"
    assert errors(merge(faulty, {"oauth2": {"issuer": "https://acme.example"}})) == []


def test_metadata_stands_for_the_endpoints():
    document = {"name": "A", "authType": "oauth2", "oauth2": {"issuer": "https://acme.example"}}

    assert errors(document) == []


def secret_to(url: str, **oauth2: Any) -> dict[str, Any]:
    inputs = {
        "host": {"type": "hostname"},
        "server": {"type": "url"},
        "name": {},
        "site": {"from": "admin", "type": "hostname"},
        "region": {"type": "choice", "options": [{"value": "eu", "set": {"cell": "eu1.acme.example"}}]},
        "cell": {"from": "flow"},
        "both": {"from": "computed", "value": "{{ host }}", "type": "hostname"},
    }
    return merge(OAUTH, {"inputs": inputs, "oauth2": {"tokenUrl": url, **oauth2}})


@pytest.mark.parametrize(
    "url",
    [
        "https://{{ host }}/token",
        "{{ server }}/token",
        "https://{{ both }}/token",
        "{{ found }}/token",
    ],
)
def test_an_admins_client_secret_goes_only_where_the_admin_can_know(url: str):
    captures = {"callback": {"capture": {"found": "{{ callback.server }}"}}}

    assert faults(secret_to(url, **captures))["/oauth2/tokenUrl"] == "client_secret_to_open_host"


@pytest.mark.parametrize(
    "document",
    [
        secret_to("https://{{ name }}.acme.example/token"),
        secret_to("https://{{ site }}/token"),
        secret_to("https://{{ cell }}/token"),
        secret_to("https://{{ host }}/token", clientFrom="user"),
        secret_to("https://{{ host }}/token", registration="dynamic"),
        secret_to("https://{{ host }}/token", clientAuth="none"),
        secret_to("https://{{ host }}/token", token={"allowedHosts": ["*.acme.example"]}),
    ],
)
def test_a_known_host_or_a_client_of_the_users_own_is_fine(document: dict[str, Any]):
    assert errors(document) == []


def test_a_host_from_an_answer_needs_allowed_hosts():
    captured = merge(OAUTH, {"oauth2": {"token": {"capture": {"host": "{{ body.host }}"}}}})
    into_api = merge(captured, {"api": {"baseUrl": "https://{{ host }}"}})
    into_request = captured | {"check": {"requests": [{"url": "https://{{ host }}/me"}]}}
    allowed = [{"url": "https://{{ host }}/me", "allowedHosts": ["*.acme.example"]}]

    assert faults(into_api) == {"/api/baseUrl": "open_host"}
    assert faults(into_request) == {"/check/requests/0/url": "open_host"}
    assert faults(merge(into_api, {"api": {"allowedHosts": ["*.acme.example"]}})) == {}
    assert faults(captured | {"check": {"requests": allowed}}) == {}


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:9"])
def test_http_is_for_loopback(host: str):
    assert errors(KEY | {"api": {"baseUrl": f"http://{host}/v1"}}) == []


def test_a_secret_may_not_be_part_of_a_host():
    document = KEY | {"api": {"baseUrl": "https://{{ apiKey }}.acme.example"}}

    assert faults(document)["/api/baseUrl"] == "secret_in_host"


def test_hints_name_what_was_probably_meant():
    document = KEY | {
        "apiKey": {"keyNmae": "X"},
        "api": {"baseUrl": "https://api.acme.example", "query": {"a": "{{ apiKye }}"}},
    }

    hints = {fault.path: fault.hint for fault in find_faults(document)}

    assert hints["/apiKey/keyNmae"] == "Did you mean `keyName`?"
    assert hints["/api/query/a"] == "Did you mean `apiKey`?"


def test_a_template_fault_has_its_position():
    fault = find_faults(KEY | {"api": {"baseUrl": "https://api.acme.example", "query": {"a": "x {{ apiKey | }}"}}})[0]

    assert "at character" in fault.message


def test_what_expand_made_is_pointed_at_where_the_author_wrote_it():
    document = KEY | {"apiKey": {"testEndpoint": "http://api.acme.example/{{ tenant }}"}}

    found = {(fault.path, fault.code) for fault in find_faults(document)}

    assert found == {("/apiKey/testEndpoint", "insecure_url"), ("/apiKey/testEndpoint", "unknown_variable")}


def test_a_fault_that_comes_from_the_base_points_at_extends():
    broken = merge(OAUTH, {"api": {"baseUrl": "http://api.acme.example"}})

    found = find_faults({"id": "mine", "extends": "acme"}, base=lambda _: broken)

    assert [(fault.path, fault.code) for fault in found] == [("/extends", "insecure_url")]


def test_an_extension_need_not_be_whole():
    patch = {"id": "mine", "extends": "acme", "oauth2": {"scopes": ["read"]}, "webhooks": None, "check": None}

    assert find_faults(patch, base=lambda _: OAUTH) == []


def test_the_rest_is_checked_though_one_part_is_broken():
    document = merge(KEY, {"webhooks": {"verify": 3}, "api": {"query": {"a": "{{ nobody }}"}}})

    assert (
        faults(document)
        == {
            "/webhooks/verify/0": "wrong_type",
            "/api/query/a": "unknown_variable",
            "/webhooks/verify": "unsigned_webhooks",
        }
        or {"/api/query/a"} <= faults(document).keys()
    )


def test_the_override_of_a_variant_is_checked_as_well():
    override = {"api": {"baseUrl": "http://eu.acme.example", "headers": {"X": "{{ nobody }}"}}}

    found = faults(OAUTH | {"variants": [{"id": "eu", "override": override}]})

    assert found == {
        "/variants/0/override/api/baseUrl": "insecure_url",
        "/variants/0/override/api/headers/X": "unknown_variable",
    }


def test_a_variant_cannot_use_a_shorthand():
    variants = [{"id": "eu", "override": {"apiKey": {"keyName": "X"}}}]

    assert faults(KEY | {"variants": variants}) == {"/variants/0/override": "variant_shorthand"}


def test_a_setting_that_only_webhooks_use_is_a_warning_and_a_slip_is_an_error():
    verify = {"scheme": "hmac", "algorithm": "sha256", "signature": "{{ headers['x'] }}", "secret": "{{ encryptKey }}"}

    assert errors(KEY | {"webhooks": {"verify": verify}}) == []
    assert faults(KEY | {"webhooks": {"verify": verify}}) == {"/webhooks/verify/secret": "undeclared_setting"}
    assert faults(KEY | {"webhooks": {"verify": verify | {"payload": "{{ rawBdy }}"}}})["/webhooks/verify/payload"] == (
        "unknown_variable"
    )


def test_a_template_may_leave_pieces_and_variables_open():
    document = {"name": "T", "isTemplate": True, "authType": "oauth2", "oauth2": {"authUrl": "{{ loginUrl }}"}}

    assert find_faults(document) == []


def test_a_document_that_no_store_could_keep_is_refused():
    deep: Any = "x"
    for _ in range(80):
        deep = {"a": deep}

    assert [fault.code for fault in find_faults(KEY | {"x-deep": deep})] == ["too_deep"]
    assert [fault.code for fault in find_faults(KEY | {"name": "a\0"})] == ["unreadable"]
