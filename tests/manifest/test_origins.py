"""Where a connection's bytes may go, and that nothing widens it."""

from typing import Any

import pytest

from tieline.manifest import load, resolve
from tieline.manifest.origins import Origins, OriginSet, client_origins_of, host_fits, origins_of
from tieline.manifest.resolve import merge

from .documents import EXAMPLES, OAUTH, base


def origins(document: dict[str, Any], method: str = "default", **values: object) -> Origins:
    provider = load(resolve(document, base=base))
    return origins_of(provider, provider.auth[method], values)


@pytest.mark.parametrize(
    ("pattern", "url", "allowed"),
    [
        ("https://api.acme.example", "https://api.acme.example/v1?x#y", True),
        ("https://api.acme.example", "HTTPS://API.ACME.EXAMPLE:443", True),
        ("https://api.acme.example", "http://api.acme.example", False),
        ("https://api.acme.example", "https://api.acme.example:8443", False),
        ("https://api.acme.example", "https://api.acme.example.evil.example", False),
        ("https://api.acme.example", "https://api.acme.example@evil.example", False),
        ("https://api.acme.example", "https://evil.example\\@api.acme.example", False),
        ("https://api.acme.example", "https://evil.example/https://api.acme.example", False),
        ("https://api.acme.example", "https:api.acme.example", False),
        ("https://api.acme.example", "//api.acme.example", False),
        ("https://api.acme.example", " https://api.acme.example", False),
        ("https://api.acme.example", "https://api.acme.example\n.evil.example", False),
        ("https://api.acme.example", "https://api.acme.example.", False),
        ("https://api.acme.example:8443", "https://api.acme.example:8443/x", True),
        ("https://api.acme.example:8443", "https://api.acme.example/x", False),
        ("https://*.acme.example", "https://a.acme.example", True),
        ("https://*.acme.example", "https://a.b.acme.example", True),
        ("https://*.acme.example", "https://acme.example", False),
        ("https://*.acme.example", "https://evilacme.example", False),
        ("https://*.acme.example", "https://a.acme.example:8443", False),
        ("https://*.acme.example", "http://a.acme.example", False),
        ("https://sns.*.acme.example", "https://sns.eu.acme.example", True),
        ("https://sns.*.acme.example", "https://sns.a.b.acme.example", False),
        ("https://api-*.acme.example", "https://api-eu.acme.example", True),
        ("https://api-*.acme.example", "https://api-a.b.acme.example", False),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/x", True),
        ("https://[::1]:9", "https://[::1]:9/x", True),
    ],
)
def test_an_origin_is_scheme_host_and_port(pattern: str, url: str, allowed: bool):
    assert OriginSet.of(pattern).allows(url) is allowed


def test_nothing_is_allowed_by_nothing():
    assert not OriginSet().allows("https://acme.example")
    assert not Origins({}).of_use("api").allows("https://acme.example")


@pytest.mark.parametrize("text", ["acme.example", "ftp://acme.example", "https://a b", "https://u@acme.example", ""])
def test_what_is_no_origin_is_refused(text: str):
    with pytest.raises(ValueError, match="no origin"):
        OriginSet.of(text)


def test_within_keeps_what_both_allow():
    consented = OriginSet.of("https://a.acme.example", "https://b.example", "https://*.c.example")
    known = OriginSet.of("https://*.acme.example", "https://x.c.example", "https://*.d.example")

    assert consented.within(known) == OriginSet.of("https://a.acme.example", "https://x.c.example")
    assert consented.within(OriginSet()) == OriginSet()
    assert consented.within(consented) == consented


def test_the_text_is_canonical_and_comes_back():
    found = origins(EXAMPLES["07-regional-zoho"], dc="eu")

    assert Origins.parse(found.text) == Origins({use: found.of_use(use) for use in found.uses})
    assert Origins.parse(found.text).text == found.text
    assert found.all.allows("https://accounts.zoho.eu/oauth/v2/token")


def test_uses_stand_apart():
    found = origins(OAUTH)

    assert found.of_use("api").patterns == ("https://api.acme.example",)
    assert found.of_use("token").patterns == found.of_use("authorize").patterns == ("https://acme.example",)
    assert found.of_use("check") == found.of_use("api")


def test_a_user_decides_his_own_part_only():
    document = EXAMPLES["16-host-dependent-auth"]

    found = origins(document, apiHost="api-eu.customer.io", trackHost="track-eu.customer.io")

    assert found.of_use("api").patterns == ("https://api-eu.customer.io", "https://track-eu.customer.io")


def test_an_answer_selects_inside_the_allowed_hosts_and_never_widens_them():
    zoho = EXAMPLES["07-regional-zoho"]

    honest = origins(zoho, dc="eu", accountsServer="https://accounts.zoho.in", apiDomain="https://www.zohoapis.in")
    hostile = origins(zoho, dc="eu", accountsServer="https://evil.example", apiDomain="https://evil.example")

    assert honest == hostile
    assert not hostile.all.allows("https://evil.example/token")


def test_a_host_from_an_answer_without_allowed_hosts_is_nowhere():
    document = merge(
        OAUTH, {"oauth2": {"token": {"capture": {"host": "{{ body.host }}"}}}, "api": {"baseUrl": "{{ host }}"}}
    )

    assert origins(document, host="https://evil.example").of_use("api") == OriginSet()


def test_an_alternative_without_its_values_is_left_out():
    document = merge(
        OAUTH, {"inputs": {"sub": {}}, "api": {"baseUrl": ["https://{{ sub }}.acme.example", "https://acme.example"]}}
    )

    assert origins(document).of_use("api").patterns == ("https://acme.example",)
    assert origins(document, sub="mine").of_use("api").patterns == (
        "https://acme.example",
        "https://mine.acme.example",
    )
    assert origins(document, sub="evil.example/").of_use("api").patterns == ("https://acme.example",)


def test_a_request_may_go_to_its_own_literal_host_alone():
    found = origins(EXAMPLES["10-aws-sigv4"], service="s3", region="eu-west-1")

    assert found.of_use("request:check.requests.0").patterns == ("https://sts.eu-west-1.amazonaws.com",)
    assert not found.of_use("api").allows("https://sts.eu-west-1.amazonaws.com")


def test_the_path_of_an_address_may_lack_its_values():
    document = merge(OAUTH, {"api": {"baseUrl": "https://api.acme.example/{{ tenant['a/b'] }}/v1"}})

    assert origins(document).of_use("api").patterns == ("https://api.acme.example",)


def test_without_a_method_there_is_the_api():
    provider = load(resolve(EXAMPLES["09-github-three-methods"]))

    found = origins_of(provider, None, {"apiBase": "https://github.acme.example/api/v3"})

    assert found.text == '{"api":["https://github.acme.example"]}'


def test_an_admin_knows_the_domain_and_what_the_document_sets():
    document = merge(OAUTH, {"inputs": {"sub": {}}, "oauth2": {"tokenUrl": "https://{{ sub }}.acme.example/token"}})
    provider = load(resolve(document))
    regions = load(resolve(EXAMPLES["07-regional-zoho"]))

    known = client_origins_of(provider, provider.auth["default"], {}).of_use("token")
    zoho = client_origins_of(regions, regions.auth["default"], {}).of_use("authorize")

    assert origins(document, sub="mine").of_use("token").within(known).patterns == ("https://mine.acme.example",)
    assert zoho.allows("https://accounts.zoho.in/oauth/v2/auth")
    assert not zoho.allows("https://accounts.zoho.example/oauth/v2/auth")


def test_an_admin_does_not_know_a_host_that_a_user_types():
    document = merge(
        OAUTH,
        {
            "inputs": {"host": {"type": "hostname"}},
            "oauth2": {"tokenUrl": "https://{{ host }}/token", "clientFrom": "user"},
        },
    )
    provider = load(resolve(document))

    assert client_origins_of(provider, provider.auth["default"], {}).of_use("token") == OriginSet()


@pytest.mark.parametrize(
    ("pattern", "host", "fits"),
    [
        ("track*.acme.example", "track-eu.acme.example", True),
        ("track*.acme.example", "TRACK.acme.example", True),
        ("track*.acme.example", "track.evil.acme.example", False),
        ("*.acme.example", "a.b.acme.example", True),
        ("acme.example", "acmexexample", False),
    ],
)
def test_a_star_stays_within_its_label_except_at_the_start(pattern: str, host: str, fits: bool):
    assert host_fits(pattern, host) is fits
