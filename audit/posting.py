"""A POST to an address that the settings name, and to nowhere else (SSRF; OWASP, ASVS 13.2.4).

1. The name is resolved here, each address it gives is looked at, and the connection is opened to one that was: a name
   that answers otherwise a moment later leads nowhere. In production none may be private, loopback, link-local or
   otherwise not public, in whatever form it is written.
2. No redirect is followed, no proxy of the environment is used, and no more of an answer is read than its head.
3. The whole takes a bounded time, also where the other side sends a byte now and then.
"""

import http.client
import socket
import ssl
import threading
from ipaddress import IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

CONNECT, WHOLE = 5.0, 10.0  # seconds
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_FAULTS = (OSError, http.client.HTTPException, ValueError)


class PostError(Exception):
    """Raised by post() where nothing was answered; its text is fit for a log."""


def post(url: str, body: bytes, headers: dict[str, str], *, public_only: bool) -> int:
    """Send *body* to *url* and return the status of the answer.

    Raises PostError.
    """
    parts = urlsplit(url)
    try:
        connection = _connected(parts, public_only=public_only)
    except _FAULTS as error:
        raise PostError(type(error).__name__) from None
    late = threading.Event()
    watchdog = threading.Timer(WHOLE, _cut, [connection.sock, late])
    watchdog.daemon = True
    watchdog.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", path, body, {"Host": parts.netloc, **headers})
        status = connection.getresponse().status
    except _FAULTS as error:
        raise PostError(type(error).__name__) from None  # the kind of failure, nothing that the other side wrote
    finally:
        watchdog.cancel()
        connection.close()
    if late.is_set():  # what was cut off reads like an answer that ended
        raise PostError("TimeoutError")
    return status


def is_public(address: str) -> bool:
    """Tell whether *address* is one of the public internet, and not a private one in another form."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and (ip.ipv4_mapped or ip.sixtofour or ip.teredo or _holds_ipv4(ip)):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _holds_ipv4(ip: IPv6Address) -> bool:
    return any(ip in network for network in _NAT64)


def _connected(parts: SplitResult, *, public_only: bool) -> http.client.HTTPConnection:
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if public_only and not all(map(is_public, addresses)):
        raise PostError("not a public address")
    connection = http.client.HTTPConnection(host, port, timeout=CONNECT)
    sock = _opened(addresses, port)
    try:
        connection.sock = _secured(sock, host) if parts.scheme == "https" else sock
    except BaseException:
        sock.close()
        raise
    return connection


def _secured(sock: socket.socket, host: str) -> ssl.SSLSocket:
    return ssl.create_default_context().wrap_socket(sock, server_hostname=host)


def _opened(addresses: list[str], port: int) -> socket.socket:
    failure: OSError = OSError("no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=CONNECT)
        except OSError as error:
            failure = error
    raise failure


def _cut(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:  # it is over already
        return
