from ipaddress import ip_address

import pytest

from tieline.egress.addresses import is_public, parts


@pytest.mark.parametrize(
    "text",
    ["1.1.1.1", "9.255.255.255", "100.63.255.255", "172.32.0.1", "192.0.1.1", "223.255.255.255", "2606:4700::1111"],
)
def test_the_neighbours_of_special_networks_are_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("64:ff9b::a00:1", "10.0.0.1"),
        ("64:ff9b:1::a00:1", "10.0.0.1"),
        ("2002:a00:1::", "10.0.0.1"),
        ("::10.0.0.1", "10.0.0.1"),
        ("::ffff:0:a00:1", "10.0.0.1"),
        ("2606:4700::5efe:a00:1", "10.0.0.1"),
        ("2606:4700::200:5efe:a00:1", "10.0.0.1"),
        ("2001:0:a00:1::", "10.0.0.1"),
    ],
)
def test_the_ipv4_address_in_a_tunnel_is_a_part(text: str, inner: str) -> None:
    assert ip_address(inner) in parts(ip_address(text))


def test_a_mapped_address_is_its_ipv4_address() -> None:
    assert parts(ip_address("::ffff:10.0.0.1")) == (ip_address("10.0.0.1"),)


def test_a_teredo_client_is_a_part_though_it_is_inverted() -> None:
    assert ip_address("192.168.1.1") in parts(ip_address("2001:0:808:808::3f57:fefe"))


@pytest.mark.parametrize("text", ["168.63.129.16", "fd00:ec2::254", "169.254.169.254"])
def test_metadata_is_never_public(text: str) -> None:
    assert not is_public(ip_address(text))
