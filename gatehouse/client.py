"""Who is asking: address, user agent, readable device, request id; and which proxies are believed.

1. No header names the client's address unless ``TRUSTED_PROXIES`` says so (ASVS 4.1.3; CVE-2024-47070 was a whole
   password bypass). The default believes nobody.
2. ``X-Forwarded-For`` is read from the right, where the proxies we know have written.
3. What a peer that is not trusted says about forwarding is dropped, so that nothing behind this sees it.
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, cast
from urllib.parse import urlsplit

import structlog
import ua_parser
from django.http import HttpRequest, HttpResponse

from .conf import app_settings

USER_AGENT_LENGTH = 500
DEVICE_NAME_LENGTH = 200
UNKNOWN_DEVICE = "Unknown device"
_HEADER_LENGTH = 4096
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]+")
_PORT = re.compile(r"\[(?P<six>[^\]]+)\](:\d{1,5})?|(?P<four>[\d.]+):\d{1,5}")
_HEALTH = "/health"
_FORWARDING = ("HTTP_X_REAL_IP", "HTTP_FORWARDED")
_MOBILE_SYSTEMS = frozenset({"iOS", "Android", "Windows Phone", "KaiOS", "HarmonyOS"})
_TOOLS = frozenset({"curl", "Wget", "HTTPie", "PostmanRuntime", "okhttp", "Python Requests", "aiohttp", "axios"})
_BOTS = frozenset({"Spider"})
_BOT = "Bot"
_SYSTEM_NAMES = {"Mac OS X": "macOS"}
_FROZEN_VERSIONS = frozenset({("Mac OS X", "10")})  # what every browser says whatever the version is

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What a service may know of the one who asks; it stands in for the request, which no service sees."""

    ip: str | None
    user_agent: str = ""
    device_name: str = UNKNOWN_DEVICE  # made out of the user agent
    app_name: str = ""  # what an app calls itself, in any words: shown to its owner once signed in, never mailed
    device_kind: str = "unknown"  # desktop, mobile, tablet, app, bot or unknown
    request_id: str = ""

    @property
    def called(self) -> str:
        """What a session or a device is called: the app's own word for itself, else what its user agent says."""
        return self.app_name or self.device_name

    @property
    def network(self) -> str:
        """What limits count by: an IPv4 address, the /64 of an IPv6 address, or ``local``."""
        if self.ip is None:
            return "local"
        address = ip_address(self.ip)
        if isinstance(address, IPv6Address):
            return str(ip_network((address, 64), strict=False))
        return str(address)

    @classmethod
    def local(cls, label: str) -> "Client":
        """Return the client of a command or of the worker."""
        return cls(ip=None, user_agent=f"manage.py {label}", device_name="This server", request_id=uuid.uuid4().hex)


def client_of(request: object) -> Client:
    """Return the client of *request*, Django's or DRF's."""
    http = getattr(request, "_request", request)
    client = getattr(http, "client", None)
    if not isinstance(client, Client):
        client = _read(cast(HttpRequest, http))
        http.client = client  # type: ignore[attr-defined]
    return client


class ClientMiddleware:
    """Set ``request.client``, drop what untrusted peers say of forwarding, answer the request's id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        client = _read(request)
        request.client = client  # type: ignore[attr-defined]
        _accept_probe(request, client)
        with structlog.contextvars.bound_contextvars(request_id=client.request_id):
            response = self.get_response(request)
        response["X-Request-ID"] = client.request_id
        return response


def _read(request: HttpRequest) -> Client:
    meta = request.META
    ip = _address(meta)
    agent = _UNPRINTABLE.sub(" ", str(meta.get("HTTP_USER_AGENT", ""))[:USER_AGENT_LENGTH]).strip()
    name, kind = describe_device(agent)
    wanted = str(meta.get("HTTP_X_REQUEST_ID", ""))
    request_id = wanted if _REQUEST_ID.fullmatch(wanted) else uuid.uuid4().hex
    return Client(ip=ip, user_agent=agent, device_name=name, device_kind=kind, request_id=request_id)


def _accept_probe(request: HttpRequest, client: Client) -> None:
    """Let a probe on this machine ask for the health under any Host: it knows only an address and a port."""
    on_loopback = client.ip is not None and ip_address(client.ip).is_loopback
    if on_loopback and request.path_info.startswith(_HEALTH):
        request.META["HTTP_HOST"] = urlsplit(app_settings().BASE_URL).netloc


def _address(meta: dict[str, Any]) -> str | None:
    """Return the client's address; drop the headers of forwarding where the peer is not trusted."""
    peer = normalise_ip(str(meta.get("REMOTE_ADDR", "")))
    chain = str(meta.get("HTTP_X_FORWARDED_FOR", ""))
    trusted = trusted_proxies(app_settings().TRUSTED_PROXIES)
    if not _is_trusted(peer, trusted):
        for name in [key for key in meta if key in _FORWARDING or key.startswith("HTTP_X_FORWARDED_")]:
            del meta[name]
        return peer
    for name in _FORWARDING:
        meta.pop(name, None)
    if not chain:
        return peer
    hops = [part.strip() for part in chain[-_HEADER_LENGTH:].split(",")]  # only the right end is believed
    return _behind(hops, trusted) or peer


def _behind(hops: list[str], trusted: int | tuple[Network, ...]) -> str | None:
    """Return the first address from the right that our own proxies did not write of themselves."""
    if isinstance(trusted, int):
        return normalise_ip(hops[-trusted]) if len(hops) >= trusted else None
    for hop in reversed(hops):
        address = normalise_ip(hop)
        if address is None or not _is_trusted(address, trusted):
            return address
    return None


def normalise_ip(text: str) -> str | None:
    """Return an address in its shortest form, an IPv4 one out of its IPv6 mapping, or None for anything else."""
    text = text.strip()
    if len(text) > 64:
        return None
    if match := _PORT.fullmatch(text):
        text = match["six"] or match["four"]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


@lru_cache(maxsize=8)
def trusted_proxies(setting: str) -> int | tuple[Network, ...]:
    text = setting.strip()
    if text.isascii() and text.isdigit():
        return int(text)
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def _is_trusted(peer: str | None, trusted: int | tuple[Network, ...]) -> bool:
    """Whether *peer* may say for whom it asks. A number of proxies trusts whoever connects, as it must."""
    if isinstance(trusted, int):
        return trusted > 0
    if peer is None:
        return False
    address = ip_address(peer)
    return any(address in network for network in trusted)


@lru_cache(maxsize=2048)
def describe_device(user_agent: str) -> tuple[str, str]:
    """Return a name that a person recognises ("Firefox 142 on Windows 11") and the kind of device."""
    if not user_agent:
        return UNKNOWN_DEVICE, "unknown"
    parsed = ua_parser.parse(user_agent[:USER_AGENT_LENGTH])
    browser, system, device = parsed.user_agent, parsed.os, parsed.device
    family = browser.family if browser else ""
    if family in _TOOLS:
        return family, "app"
    name = " ".join(part for part in (family, browser.major if browser else "") if part)
    place = _place(system.family, system.major or "") if system else ""
    name = f"{name} on {place}" if name and place else name or place or UNKNOWN_DEVICE
    kind = _kind(family, system.family if system else "", device.family if device else "", user_agent)
    if kind == "bot":  # whose names are taken from its own words, which must not get into mails
        return _BOT, kind
    return name[:DEVICE_NAME_LENGTH], kind


def _place(system: str, version: str) -> str:
    name = _SYSTEM_NAMES.get(system, system)
    return name if not version or (system, version) in _FROZEN_VERSIONS else f"{name} {version}"


def _kind(browser: str, system: str, device: str, user_agent: str) -> str:
    if device in _BOTS:
        return "bot"
    if device == "iPad" or (system == "Android" and "Mobile" not in user_agent):
        return "tablet"
    if system in _MOBILE_SYSTEMS:
        return "mobile" if "Mozilla/" in user_agent else "app"
    if system:
        return "desktop"
    return "app" if browser else "unknown"
