"""Lift, merge, params, expand: from the author's notation to the normal form."""

from typing import Any

import pytest

from tieline.errors import InvalidProvider
from tieline.manifest import load, resolve
from tieline.manifest.resolve import expand, lift, merge, merged, with_variant

from .documents import EXAMPLES, KEY, OAUTH, SCHEMES, SEED, base

REGISTRY = ("status", "isPublic", "isCustom", "replacedBy")


def faults(document: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidProvider) as caught:
        resolve(document, base=base)
    return [(fault.path, fault.code) for fault in caught.value.errors]


def test_the_second_example_is_the_first_one_normalised():
    normal = resolve(EXAMPLES["01-starting-point"])

    assert {key: value for key, value in normal.items() if key not in REGISTRY} == EXAMPLES["02-same-normalised"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_resolves_and_a_normal_form_resolves_to_itself(name: str):
    normal = resolve(EXAMPLES[name], base=base)

    assert resolve(normal, base=base) == normal
    assert load(normal).name == EXAMPLES[name]["name"]


@pytest.mark.parametrize("row", SCHEMES, ids=lambda row: row["provider"])
def test_every_webhook_scheme_resolves(row: dict[str, Any]):
    document = {"id": row["provider"], "name": row["provider"], "authType": "webhook", "webhooks": row["webhooks"]}

    assert load(resolve(document)).webhooks is not None


def test_a_test_endpoint_gives_the_base_url_when_nothing_else_does():
    provider = load(resolve(SEED["custom"]))

    assert provider.id is None
    assert provider.api.base_url == "https://api.example.com"
    assert provider.auth["default"].apply[0].headers == {"X-API-Key": "{{ apiKey }}"}


@pytest.mark.parametrize("name", SEED["templates"])
def test_the_first_templates_are_valid_as_they_stand(name: str):
    document = SEED["templates"][name] | {"id": name, "isTemplate": True}

    assert load(resolve(document)).is_template


def test_what_a_template_does_not_declare_is_asked_of_the_one_who_extends_it():
    provider = load(resolve(EXAMPLES["05-template-oauth2-standard"]))

    assert provider.inputs["baseUrl"].from_ == "template"
    assert provider.inputs["baseUrl"].type == "url"
    assert provider.api.base_url == "{{ baseUrl }}"


def test_params_fix_the_inputs_of_a_template():
    provider = load(resolve(EXAMPLES["06-user-defined-from-template"], base=base))

    assert provider.inputs["baseUrl"].default == "https://crm.internal.example/api"
    assert provider.is_template is False
    assert provider.name == "My CRM"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"params": {}}, ("/params", "param_missing")),
        ({"params": {"baseUrl": "ftp://x.example"}}, ("/params/baseUrl", "invalid")),
        ({"params": {"baseUrl": "https://user:word@x.example"}}, ("/params/baseUrl", "invalid")),
        ({"params": {"baseUrl": "https://x.example", "tenant": "x"}}, ("/params/tenant", "unknown_param")),
        ({"extends": "nowhere"}, ("/extends", "unknown_base")),
        ({"extends": ["rest-api-bearer", "nowhere@^2"]}, ("/extends/1", "unknown_base")),
        ({"extends": "my-crm"}, ("/extends", "cyclic")),
    ],
)
def test_a_wrong_extension_says_where(changes: dict[str, Any], fault: tuple[str, str]):
    assert fault in faults(EXAMPLES["06-user-defined-from-template"] | changes)


def test_a_circle_of_bases_is_found():
    circle = {"a": {"id": "a", "extends": "b"}, "b": {"id": "b", "extends": "c"}, "c": {"id": "c", "extends": "b"}}

    with pytest.raises(InvalidProvider) as caught:
        resolve(circle["a"], base=lambda reference: circle[reference])

    assert [(fault.path, fault.code) for fault in caught.value.errors] == [("/extends", "cyclic")]


def test_an_extension_takes_all_but_what_is_the_bases_own():
    registered = OAUTH | {"version": "3.0.0", "status": "beta", "isPublic": False, "isTemplate": True}

    normal = resolve({"id": "mine", "extends": "acme"}, base=lambda _: registered)

    assert (normal["id"], normal["name"], normal["version"]) == ("mine", "Acme", "1.0.0")
    assert not {"status", "isPublic", "isTemplate", "extends"} & normal.keys()


def test_a_base_may_be_answered_raw_merged_or_resolved():
    document = EXAMPLES["06-user-defined-from-template"]
    raw = EXAMPLES["03-template-rest-api-bearer"]

    forms = [resolve(document, base=lambda _, form=form: form) for form in (raw, merged(raw), resolve(raw))]

    assert forms[0] == forms[1] == forms[2]


def test_null_in_an_extension_removes_the_default_as_well():
    base_document = KEY | {"apiKey": {"testEndpoint": "/v1/me"}}
    document = {"id": "mine", "extends": "acme", "auth": {"default": {"apply": None, "check": None}}}

    method = load(resolve(document, base=lambda _: base_document)).auth["default"]

    assert method.apply == ()
    assert method.check is None


def test_inputs_at_the_top_of_an_extension_change_those_of_the_one_method():
    document = {"id": "mine", "extends": "acme", "inputs": {"apiKey": {"label": "Your key"}}}

    provider = load(resolve(document, base=lambda _: KEY))

    assert provider.inputs == {}
    assert provider.auth["default"].inputs["apiKey"].label == "Your key"


def test_a_given_apply_is_merged_over_the_default():
    document = OAUTH | {"apply": {"headers": {"Authorization": None, "X-Token": "{{ credential.accessToken }}"}}}

    rule = load(resolve(document)).auth["default"].apply[0]

    assert {name: value for name, value in rule.headers.items() if value} == {"X-Token": "{{ credential.accessToken }}"}


def test_a_removed_default_stays_removed_when_the_normal_form_is_expanded_again():
    document = {
        "id": "a",
        "name": "A",
        "authType": "basic",
        "apply": {"basic": None, "headers": {"X": "{{ username }}"}},
    }

    normal = resolve(document)

    assert expand(normal) == normal
    assert load(normal).auth["default"].apply[0].basic is None


@pytest.mark.parametrize(
    ("api_key", "apply"),
    [
        ({}, {"headers": {"Authorization": "{{ apiKey }}"}}),
        ({"keyPrefix": "Bearer"}, {"headers": {"Authorization": "Bearer {{ apiKey }}"}}),
        ({"keyPrefix": "Bearer "}, {"headers": {"Authorization": "Bearer {{ apiKey }}"}}),
        ({"keyPrefix": "Token token="}, {"headers": {"Authorization": "Token token={{ apiKey }}"}}),
        ({"location": "query", "keyName": "key"}, {"query": {"key": "{{ apiKey }}"}}),
        ({"location": "body", "keyName": "key"}, {"body": {"key": "{{ apiKey }}"}}),
        ({"location": "cookie", "keyName": "sid", "keyPrefix": "v1"}, {"cookies": {"sid": "v1{{ apiKey }}"}}),
        ({"location": "path", "keyPrefix": "bot"}, {"path": "/bot{{ apiKey }}"}),
        ({"input": "token"}, {"headers": {"Authorization": "{{ token }}"}}),
    ],
)
def test_the_api_key_shorthand_says_where_the_key_goes(api_key: dict[str, Any], apply: dict[str, Any]):
    method = resolve(KEY | {"apiKey": api_key})["auth"]["default"]

    assert method["apply"] == apply
    assert list(method["inputs"]) == [api_key.get("input", "apiKey")]


def test_a_declared_key_input_stays_secret():
    method = resolve(KEY | {"inputs": {"apiKey": {"label": "Token", "pattern": "k-.+"}}})["auth"]["default"]

    assert method["inputs"]["apiKey"] == {"type": "string", "secret": True, "label": "Token", "pattern": "k-.+"}


def test_basic_asks_for_what_its_templates_use():
    document = {"id": "a", "name": "A", "authType": "basic", "basic": {"username": "{{ username }}", "password": "x"}}

    method = load(resolve(document)).auth["default"]

    assert list(method.inputs) == ["username"]
    assert method.apply[0].basic is not None
    assert method.apply[0].basic.password == "x"


@pytest.mark.parametrize(
    ("algorithm", "scheme"),
    [("hmac-sha512", "hmac"), ("token", "token"), ("none", "none"), ("ed25519", "asymmetric")],
)
def test_the_signature_shorthand_names_a_scheme(algorithm: str, scheme: str):
    document = {"name": "A", "webhooks": {"signatureHeader": "X-Sig", "signatureAlgorithm": algorithm}}

    webhooks = load(resolve(document)).webhooks

    assert webhooks is not None
    assert webhooks.verify[0].scheme == scheme


def test_the_client_of_client_credentials_is_the_users_own_by_default():
    document = OAUTH | {"oauth2": {"grant": "client_credentials", "tokenUrl": "https://acme.example/token"}}

    oauth2 = load(resolve(document)).auth["default"].oauth2

    assert oauth2 is not None
    assert oauth2.client_from == "user"


def test_merging_replaces_lists_keeps_nulls_and_leaves_its_arguments_alone():
    below, patch = {"a": {"b": [1], "c": 1}, "d": 1}, {"a": {"b": [2], "c": None}, "d": {"e": 1}}

    assert merge(below, patch) == {"a": {"b": [2], "c": None}, "d": {"e": 1}}
    assert below == {"a": {"b": [1], "c": 1}, "d": 1}


def test_lifting_moves_the_one_method_and_the_category():
    lifted = lift({"name": "A", "category": "crm", "authType": "basic", "inputs": {"x": {}}, "x-own": 1})

    assert lifted == {
        "name": "A",
        "x-own": 1,
        "categories": ["crm"],
        "auth": {"default": {"type": "basic", "inputs": {"x": {}}}},
    }


def test_a_variant_is_laid_over_the_document():
    override = {"oauth2": {"tokenUrl": "https://eu.acme.example/token"}, "api": {"baseUrl": "https://eu.acme.example"}}
    normal = resolve(OAUTH | {"variants": [{"id": "us"}, {"id": "eu", "override": override}]})

    provider = load(with_variant(normal, "eu"))

    assert provider.api.base_url == "https://eu.acme.example"
    assert provider.id == "acme"
    assert with_variant(normal, "us") == normal
    with pytest.raises(KeyError):
        with_variant(normal, "jp")


def test_several_categories_keep_their_order():
    assert resolve({"name": "A", "category": "crm", "categories": ["sales", "crm"]})["categories"] == ["crm", "sales"]
