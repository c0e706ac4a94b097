"""core/addresses.py: every special range, from both of its ends."""

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.addresses import classify, is_local_host, is_local_origin

CLASSES = {
    "loopback": ["127.0.0.0/8", "::1/128"],
    "private": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
    "forbidden": [
        "0.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32",
        "::/128", "::ffff:0:0/96", "::7f00:1/128", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:2::/48",
        "2001:10::/28", "2001:20::/28", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fe80::/10", "fec0::/10", "ff00::/8",
    ],
    "public": ["1.1.1.0/24", "8.8.8.8/32", "100.128.0.0/9", "172.32.0.0/11", "192.0.1.0/24", "198.20.0.0/16", "223.255.255.0/24",
               "2001:4860::/32", "2600::/12", "2a00::/12"],
}  # fmt: skip


@pytest.mark.parametrize(("network", "expected"), [(network, name) for name, networks in CLASSES.items() for network in networks])
def test_the_ends_of_every_range(network: str, expected: str) -> None:
    inside = ip_network(network)
    assert classify(inside[0]) == classify(inside[-1]) == classify(str(inside[0])) == expected


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254", "fe80::1%eth0",
     "fd00::1%eth0", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "2002:7f00:1::", "64:ff9b::7f00:1", "", "localhost", "1", "127.1", "0x7f000001"],
)  # fmt: skip
def test_metadata_and_disguises_are_forbidden(address: str) -> None:
    assert classify(address) == "forbidden"


@given(st.ip_addresses(v=6))
def test_an_ipv6_form_that_carries_an_ipv4_address_is_never_allowed(address: IPv6Address) -> None:
    if address.ipv4_mapped or address.sixtofour or address.teredo:
        assert classify(address) == "forbidden"


@given(st.ip_addresses())
def test_public_is_never_wider_than_the_registry_says(address: IPv4Address | IPv6Address) -> None:
    if classify(address) == "public":
        special = address.is_loopback, address.is_link_local, address.is_multicast, address.is_reserved, address.is_private
        assert not any(special)
    assert classify(str(address)) == classify(address)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True), ("LOCALHOST.", True), ("a.localhost", True), ("ollama", True), ("my_box", True), ("gpu.local", True),
        ("vm.internal", True), ("nas.home.arpa", True), ("nas.lan", True), ("127.0.0.1", True), ("[::1]", True), ("::1", True),
        ("192.168.1.7", True), ("[fd12::1]", True), ("8.8.8.8", False), ("169.254.169.254", False), ("[2600::1]", False),
        ("0.0.0.0", False), ("100.64.0.1", False), ("[::ffff:127.0.0.1]", False), ("2130706433", False), ("0x7f000001", False),
        ("127.1", False), ("", False), ("a:b", False), ("api.openai.com", None), ("local", True), ("notlocal.example", None),
        ("evil-internal.com", None),
        ("xlocal.com", None),
    ],
)  # fmt: skip
def test_what_a_name_tells_without_dns(host: str, expected: bool | None) -> None:
    assert is_local_host(host) is expected


@pytest.mark.parametrize(
    ("origin", "declared", "expected"),
    [
        ("http://ollama:11434", None, True), ("http://ollama:11434", False, False), ("https://llm.example.com", None, False),
        ("https://llm.example.com", True, True), ("https://[::1]:8080", None, True), ("https://8.8.8.8", None, False),
    ],
)  # fmt: skip
def test_an_operators_word_comes_before_what_a_name_tells(origin: str, declared: bool | None, expected: bool) -> None:
    assert is_local_origin(origin, declared) is expected
