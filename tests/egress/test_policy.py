from ipaddress import ip_network

import pytest

from tieline.egress import AddressPolicy


def permits(policy: AddressPolicy, address: str, *, named: bool = False, plain: bool = False) -> bool:
    return policy.permits(address, named=named, plain=plain)


def test_public_addresses_need_no_word_of_the_operator() -> None:
    assert permits(AddressPolicy(), "8.8.8.8")


def test_public_addresses_are_not_for_plain_http() -> None:
    assert not permits(AddressPolicy(), "8.8.8.8", plain=True)


def test_a_network_opens_its_addresses_for_plain_http_too() -> None:
    policy = AddressPolicy(networks=[ip_network("10.0.0.0/8")])

    assert permits(policy, "10.1.2.3", plain=True)
    assert permits(policy, "::ffff:10.1.2.3", plain=True)
    assert not permits(policy, "192.168.0.1")


def test_translation_to_a_public_address_is_public_and_to_a_private_one_is_not() -> None:
    assert permits(AddressPolicy(), "64:ff9b::808:808")
    assert not permits(AddressPolicy(), "64:ff9b::a00:1")


def test_an_open_tunnel_network_does_not_open_what_is_behind_it() -> None:
    policy = AddressPolicy(networks=[ip_network("2002::/16")])

    assert permits(policy, "2002:808:808::1")
    assert not permits(policy, "2002:a00:1::1")


def test_a_listed_host_may_be_anywhere() -> None:
    policy = AddressPolicy(hosts=["Printer.Corp.Example."])

    assert policy.names("printer.corp.example")
    assert not policy.names("a.printer.corp.example")
    assert permits(policy, "10.0.0.9", named=True, plain=True)


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "::ffff:a9fe:a9fe", "168.63.129.16"])
def test_metadata_stays_closed_in_an_open_network_and_behind_a_listed_host(address: str) -> None:
    wide = AddressPolicy(networks=[ip_network("0.0.0.0/0"), ip_network("::/0")])

    assert not permits(wide, address)
    assert not permits(wide, address, named=True)


def test_metadata_opens_to_a_network_of_that_one_address() -> None:
    assert permits(AddressPolicy(networks=[ip_network("169.254.169.254/32")]), "169.254.169.254")


def test_what_is_no_address_is_not_permitted() -> None:
    assert not permits(AddressPolicy(networks=[ip_network("0.0.0.0/0")]), "localhost", named=True)
