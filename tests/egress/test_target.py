import pytest

from tieline.egress.target import read_target
from tieline.errors import AddressRefused


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("https://api.acme.example", "https://api.acme.example/"),
        ("HTTPS://API.Acme.Example./v1?x=%2F#part", "https://api.acme.example/v1?x=%2F"),
        ("https://api.acme.example:443/a/../b", "https://api.acme.example/a/../b"),
        ("https://api.acme.example:8443?x", "https://api.acme.example:8443/?x"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://API。acme\uff0eexample/", "https://api.acme.example/"),
        ("https://[2606:4700:0:0::1111]/", "https://[2606:4700::1111]/"),
        ("http://1.2.3.4:80/", "http://1.2.3.4/"),
    ],
)
def test_each_url_has_one_spelling(given: str, canonical: str) -> None:
    assert read_target(given).url == canonical


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/v1/me",
        "//api.example/",
        "https:/api.example/",
        "https:api.example",
        "https://",
        "https:///path",
        "https://.",
        "https://a..example/",
        "https://-a.example/",
        "https://user@api.example/",
        "https://user:pass@api.example/",
        "https://api.example:/",
        "https://api.example:0/",
        "https://api.example:65536/",
        "https://api.example:+443/",
        "https://api.example:٤٤٣/",
        "https://api%2eexample/",
        "https://api.example\\@evil.example/",
        "https://api.example/a b",
        "https://api.example/\\evil",
        "https://api.example/é",
        "https://api.example/\r\nHost: evil.example",
        "https://api.example\t/",
        " https://api.example/",
        "https://1.2.3/",
        "https://1.2.3.4.5/",
        "https://a.0x1/",
        "https://01.2.3.4/",
        "https://[::1/",
        "https://::1/",
        "https://[1.2.3.4]/",
        "https://[fe80::1%25eth0]/",
        "https://" + "a" * 64 + ".example/",
        "https://a\N{SOFT HYPHEN}\N{ZERO WIDTH JOINER}.example/",
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        read_target(url)

    assert refused.value.facts["reason"] == "spelling"


@pytest.mark.parametrize("url", ["ftp://a.example/", "file:///etc/passwd", "gopher://a.example/", "ws://a.example/"])
def test_only_http_and_https_are_schemes(url: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        read_target(url)

    assert refused.value.facts["reason"] == "scheme"


def test_a_target_prints_neither_path_nor_query() -> None:
    assert repr(read_target("https://api.example/s3cret?key=s3cret")) == "Target(https://api.example:443)"
