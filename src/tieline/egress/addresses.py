"""Which IP addresses are public: our own list, since the standard library's changes with the Python version.

Sources: the IANA special-purpose registries (RFC 6890 and its updates). Pure. A tunnel or translation address is as
public as the IPv4 address inside it, so `parts` takes it apart and every part has to pass.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NOT_PUBLIC_V4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host on this network (RFC 791)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # carrier-grade NAT (RFC 6598)
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, where metadata services live (RFC 3927)
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.31.196.0/24",  # AS112 sinks (RFC 7535)
        "192.52.193.0/24",  # multicast tunnels (RFC 7450)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112 sinks (RFC 7534)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved, and broadcast (RFC 1112)
    )
)

GLOBAL_UNICAST = IPv6Network("2000::/3")  # the only IPv6 space that is handed out (RFC 4291)
NAT64 = IPv6Network("64:ff9b::/96")  # the one translation prefix that is public (RFC 6052)
NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")  # RFC 8215

NOT_PUBLIC_V6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF assignments: Teredo, ORCHID, benchmarks (RFC 2928)
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 7526)
        "2620:4f:8000::/48",  # AS112 sinks (RFC 7534)
        "3fff::/20",  # documentation (RFC 9637)
    )
)

# Each hands out credentials of the machine to whoever asks. Most lie in link-local space; not all do.
METADATA = frozenset(
    (
        IPv4Address("169.254.169.254"),
        IPv4Address("169.254.170.2"),
        IPv4Address("169.254.170.23"),
        IPv4Address("100.100.100.200"),
        IPv4Address("168.63.129.16"),
        IPv4Address("192.0.0.192"),
        IPv6Address("fd00:ec2::254"),
        IPv6Address("fd00:ec2::23"),
        IPv6Address("fd20:ce::254"),
    )
)

_V4_COMPATIBLE = IPv6Network("::/96")
_V4_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_LOW_32 = 0xFFFF_FFFF
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214, section 6.1


def parts(address: Address) -> tuple[Address, ...]:
    """The address, and the IPv4 addresses that a tunnel or translator would send it on to.

    A v4-mapped address is nothing but its IPv4 address: that is what the kernel dials.
    """
    if isinstance(address, IPv4Address):
        return (address,)
    if mapped := address.ipv4_mapped:
        return (mapped,)
    return (address, *_embedded(address))


def is_public(address: Address) -> bool:
    """Whether this one part may be dialled without the operator's word."""
    if address in METADATA:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_V4)
    if address in NAT64:
        return True
    return address in GLOBAL_UNICAST and not any(address in network for network in NOT_PUBLIC_V6)


def _embedded(address: IPv6Address) -> tuple[IPv4Address, ...]:
    low = int(address) & _LOW_32
    if address.sixtofour:
        return (address.sixtofour,)
    if address.teredo:
        return address.teredo
    if any(address in network for network in (NAT64, NAT64_LOCAL, _V4_COMPATIBLE, _V4_TRANSLATED)):
        return (IPv4Address(low),)
    if (int(address) >> 32) & _LOW_32 in _ISATAP:
        return (IPv4Address(low),)
    return ()
