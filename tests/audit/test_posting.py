"""Where events may be sent: to what the settings name, in production over https and to public addresses alone."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.checks import run_checks

from audit import posting
from audit.endpoints import targets
from audit.posting import PostError, is_public, post

SECRET = "s" * 32
GOOD = {"name": "siem", "url": "https://siem.example.com/hook", "secret": SECRET}


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "192.0.2.1", "240.0.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1"),
        *("ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::1"),
        *("2002:7f00:1::", "2001:0:7f00:1::1", "::127.0.0.1"),
    ],
)
def test_an_address_that_is_not_public_is_found_out_in_every_form(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"])
def test_a_public_address_is_one(address):
    assert is_public(address)


@pytest.fixture
def silent() -> Iterator[Any]:
    """A server that takes what is sent and sends a byte now and then."""
    listening = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []
    over = threading.Event()

    def serve() -> None:
        try:
            connection, _address = listening.accept()
        except OSError:
            return
        taken.append(connection)
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not over.wait(0.05):
                connection.sendall(b"X-Drip: 1\r\n")
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1], taken
    over.set()
    listening.close()
    thread.join(5)
    for connection in taken:
        connection.close()


def test_an_answer_that_drips_is_cut_off(silent, monkeypatch):
    port, taken = silent
    monkeypatch.setattr(posting, "WHOLE", 0.3)
    with pytest.raises(PostError):
        post(f"http://127.0.0.1:{port}/", b"{}", {}, public_only=False)
    assert taken


def test_in_production_a_name_that_leads_inside_is_not_connected_to(silent, monkeypatch):
    port, taken = silent
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("8.8.8.8", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_given, **_more: found)
    with pytest.raises(PostError, match="not a public address"):
        post(f"https://siem.example.com:{port}/", b"{}", {}, public_only=True)
    assert not taken


def test_the_connection_goes_to_the_address_that_was_looked_at(monkeypatch):
    """A name that answers otherwise at the second time leads nowhere: it is resolved once."""
    asked, opened = [], []

    def resolve(host: str, port: int, **_more: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8" if len(asked) == 1 else "127.0.0.1", port))]

    def connect(address: tuple[str, int], **_more: Any) -> Any:
        opened.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(PostError, match="ConnectionRefusedError"):
        post("https://siem.example.com/", b"{}", {}, public_only=True)
    assert (asked, opened) == (["siem.example.com"], [("8.8.8.8", 443)])


@pytest.mark.parametrize(
    "given",
    [
        "no json",
        "{}",
        ["siem"],
        [{"name": "siem"}],
        [{**GOOD, "name": "Siem!"}],
        [{**GOOD, "secret": "short"}],
        [{**GOOD, "secret": f"{SECRET},short"}],
        [{**GOOD, "url": "ftp://siem.example.com/"}],
        [{**GOOD, "url": "https://user:pass@siem.example.com/"}],
        [{**GOOD, "url": "https:///hook"}],
        [{**GOOD, "url": "https://siem.example.com/\r\nX: y"}],
        [{**GOOD, "url": "https://siem.example.com:99999/"}],
        [{**GOOD, "url": 7}],
        [{**GOOD, "types": "SECURITY"}],
        [{**GOOD, "types": ["OTHER"]}],
        [{**GOOD, "actions": [7]}],
        [{**GOOD, "color": "red"}],
        [GOOD, GOOD],
    ],
)
def test_a_check_finds_what_cannot_be_sent_and_tells_no_secret(settings, given):
    settings.AUDIT = {**settings.AUDIT, "WEBHOOKS": given if isinstance(given, str) else json.dumps(given)}
    (fault,) = [fault for fault in run_checks() if fault.id == "audit.E010"]
    assert SECRET not in str(fault) and "pass" not in str(fault)


def test_production_takes_https_alone(settings):
    plain = {**GOOD, "url": "http://siem.example.com/hook"}
    settings.AUDIT = {**settings.AUDIT, "WEBHOOKS": [plain]}
    assert list(targets()) == ["siem"]
    settings.GATEHOUSE = {**settings.GATEHOUSE, "PRODUCTION": True}
    assert [fault.msg for fault in run_checks() if fault.id == "audit.E010"] == [
        "AUDIT['WEBHOOKS']: siem has to be reached by https."
    ]
