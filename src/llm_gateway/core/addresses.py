"""Which IP addresses are ours, which are the world's, and which nobody may be sent to.

Sources: the IANA IPv4 and IPv6 special-purpose address registries (RFC 6890 and its updates), and the metadata
addresses that cloud vendors document.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, Literal
from urllib.parse import urlsplit

AddressClass = Literal["loopback", "private", "public", "forbidden"]


def _v4(*networks: str) -> tuple[IPv4Network, ...]:
    return tuple(IPv4Network(network) for network in networks)


def _v6(*networks: str) -> tuple[IPv6Network, ...]:
    return tuple(IPv6Network(network) for network in networks)


_METADATA: Final = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, DigitalOcean, OpenStack, Oracle
        "169.254.170.2",  # AWS ECS task credentials
        "169.254.170.23",  # AWS EKS pod identity
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's host agent; a public address by its number
        "192.0.0.192",  # Oracle classic
        "fd00:ec2::254",  # AWS over IPv6
        "fd00:ec2::23",  # AWS EKS pod identity over IPv6
        "fd20:ce::254",  # Google over IPv6
    )
)
_V4_LOOPBACK: Final = _v4("127.0.0.0/8")
_V4_PRIVATE: Final = _v4("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
_V4_FORBIDDEN: Final = _v4(
    "0.0.0.0/8",  # "this network": many systems treat 0.0.0.0 as the machine itself
    "100.64.0.0/10",  # carrier-grade NAT
    "169.254.0.0/16",  # link-local, metadata
    "192.0.0.0/24",  # protocol assignments
    "192.0.2.0/24",  # documentation
    "192.88.99.0/24",  # 6to4 relays
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/3",  # multicast, reserved, broadcast
)
_V6_PUBLIC: Final = IPv6Network("2000::/3")
_V6_PRIVATE: Final = IPv6Network("fc00::/7")
_V6_FORBIDDEN: Final = _v6(
    "2001::/23",  # Teredo (2001::/32), benchmarks, ORCHID and other protocol assignments
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4: carries an IPv4 address
    "3fff::/20",  # documentation
)
"""Inside 2000::/3. All else outside it (v4-mapped, v4-compatible, NAT64 64:ff9b::/96 and 64:ff9b:1::/48, link-local, site-local,
multicast, discard) is forbidden because it is neither public nor `fc00::/7` nor `::1`."""

_LOCAL_SUFFIXES: Final = (".localhost", ".local", ".internal", ".home.arpa", ".lan")
_NUMERIC_LABEL: Final = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)\Z")


def classify(ip: str | IPv4Address | IPv6Address) -> AddressClass:
    """What an address is: `loopback`, `private` (RFC 1918, fc00::/7), `public`, or `forbidden`.

    `forbidden` holds what no provider may live at, whatever its name resolves to: metadata services, link-local,
    carrier-grade NAT, 0.0.0.0/8, multicast and reserved ranges, and every IPv6 form that carries an IPv4 address
    (6to4, NAT64, Teredo, v4-mapped, v4-compatible), since those hide the address that is really reached.
    Text that is no IP address is forbidden too.
    """
    try:
        address = ip_address(ip)
    except ValueError:
        return "forbidden"
    if isinstance(address, IPv6Address):
        return _classify_v6(address)
    if address in _METADATA or any(address in network for network in _V4_FORBIDDEN):
        return "forbidden"
    if any(address in network for network in _V4_LOOPBACK):
        return "loopback"
    return "private" if any(address in network for network in _V4_PRIVATE) else "public"


def _classify_v6(address: IPv6Address) -> AddressClass:
    if address.scope_id is not None or address in _METADATA:
        return "forbidden"
    if address.is_loopback:
        return "loopback"
    if address in _V6_PRIVATE:
        return "private"
    if address not in _V6_PUBLIC or any(address in network for network in _V6_FORBIDDEN):
        return "forbidden"
    return "public"


def is_local_host(host: str) -> bool | None:
    """Whether a host is on this machine or network, as far as its name tells without DNS.

    True: `localhost`, loopback and private literals (brackets around IPv6 allowed), names of one label (`ollama`,
    as in a compose file or a search domain) and names under `.localhost`, `.local`, `.internal`, `.home.arpa`, `.lan`.
    False: public and forbidden literals, and numbers in other spellings (`2130706433`, `0x7f.1`), which resolvers
    read as IPv4. None: any other name; only its addresses can tell.

    A True is a claim that the transport checks: what is called local is refused when it resolves to anything else.
    """
    name = host.strip().lower().removesuffix(".")
    literal = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        return classify(ip_address(literal)) in ("loopback", "private")
    except ValueError:
        pass  # a name, not an address
    if not name or ":" in name or _NUMERIC_LABEL.match(name.rsplit(".", 1)[-1]):
        return False
    if "." not in name or name.endswith(_LOCAL_SUFFIXES):
        return True
    return None


def is_local_origin(origin: str, declared: bool | None) -> bool:
    """Whether a destination counts as on this machine or network: as its operator says, else as far as its host's name tells.

    The transport holds it to that: to a local one it opens connections to loopback and private addresses only, to any other one to
    public ones only.
    """
    return declared if declared is not None else is_local_host(urlsplit(origin).hostname or "") is True
