"""Keyed digests by which the trail is searched for what it holds only as ciphertext."""

import hashlib
import hmac
import unicodedata
from ipaddress import ip_address, ip_network

from gatehouse.hashing import derived_key
from gatehouse.text import InvalidEmail, normalise_email

from .conf import app_settings

_LENGTH = 32  # hex digits: 128 bits
WIDTHS = {4: (24, 16), 6: (64, 48)}


def address_digest(email: str) -> str:
    """Return the digest that stands for an e-mail address, however it was typed, by the key that writes."""
    return _digest(app_settings().KEYS[0], "email", _email(email))


def address_digests(email: str) -> list[str]:
    """Return the digests of an e-mail address under every key of the ring."""
    return _all("email", _email(email))


def place_digests(ip: str) -> list[tuple[str, str]]:
    """Return what an event from *ip* is found by: (kind, digest) of the address and of its two networks."""
    key, address = app_settings().KEYS[0], ip_address(ip)
    networks = [str(ip_network((address, width), strict=False)) for width in WIDTHS[address.version]]
    return [("ip", _digest(key, "ip", str(address))), *(("net", _digest(key, "net", text)) for text in networks)]


def search_digests(place: str) -> list[str]:
    """Return the digests, under every key of the ring, of an IP address or of one of the networks /24 /16 /64 /48.

    Raises ValueError.
    """
    if "/" not in place:
        return _all("ip", str(ip_address(place.strip())))
    network = ip_network(place.strip(), strict=False)
    if network.prefixlen not in WIDTHS[network.version]:
        raise ValueError("a prefix is /24 or /16 of IPv4, /64 or /48 of IPv6.")
    return _all("net", str(network))


def _email(text: str) -> str:
    try:
        return normalise_email(text)[1]
    except InvalidEmail:  # what was typed need not be an address
        return unicodedata.normalize("NFKC", text.strip()).casefold()


def _all(kind: str, text: str) -> list[str]:
    return [_digest(key, kind, text) for key in app_settings().KEYS]


def _digest(key: str, kind: str, text: str) -> str:
    message = f"{kind}:{text}".encode("utf-8", "surrogatepass")
    return hmac.digest(derived_key(key, "audit-index"), message, hashlib.sha256).hex()[:_LENGTH]
