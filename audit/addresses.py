"""Networks as text: how the stored form of an address is matched against a prefix."""

import re
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import product
from os.path import commonprefix

_WIDTHS = {4: (24, 16), 6: (64, 48)}
_GROUP = "[1-9a-f][0-9a-f]{0,3}"
_FILLER = 0xFFFF


def address_matches(text: str) -> tuple[str, str, str]:
    """Return what a stored address must match: (exactly, its beginning, a regular expression).

    *text* is an address or one of the networks /24 /16 /64 /48; parts that are not needed are
    empty. Raises ValueError.
    """
    if "/" not in text:
        return str(ip_address(text.strip())), "", ""
    network = ip_network(text.strip(), strict=False)
    if network.prefixlen not in _WIDTHS[network.version]:
        raise ValueError("a prefix is /24 or /16 of IPv4, /64 or /48 of IPv6.")
    if isinstance(network, IPv4Network):
        octets = str(network.network_address).split(".")[: network.prefixlen // 8]
        return "", ".".join(octets) + ".", ""
    return "", *_six(network)


def _six(network: IPv6Network) -> tuple[str, str]:
    """Return the beginning and the pattern of every address of an IPv6 network.

    Addresses are stored in their shortest form, where ``::`` stands for the longest run of zeros;
    so each way of having zeros in the host's part has a form of its own.
    """
    kept = network.prefixlen // 16
    fixed = int(network.network_address)
    forms = []
    for host in product((0, _FILLER), repeat=8 - kept):
        tail = 0
        for group in host:
            tail = tail << 16 | group
        forms.append((str(IPv6Address(fixed | tail)), sum(map(bool, host))))
    # the fillers stand to the right of whatever the network's own part says
    patterns = [_GROUP.join(map(re.escape, form.rsplit(f"{_FILLER:x}", fillers))) for form, fillers in forms]
    beginnings = ["".join(form.rsplit(f"{_FILLER:x}", fillers)[0]) for form, fillers in forms]
    return commonprefix(beginnings), f"^({'|'.join(patterns)})$"
