"""A real SMTP server on loopback that keeps what it is given."""

import logging
import socket
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller

WAIT = 20.0
logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd tells of every line it hears


class Sink:
    """Receives mails; ``refusing`` makes it answer every mail with that SMTP line instead."""

    def __init__(self) -> None:
        self.refusing = ""
        self.mails: list[EmailMessage] = []
        self._arrived = threading.Condition()
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refusing:
            return self.refusing
        mail = message_from_bytes(envelope.content, EmailMessage, policy=default)
        mail["X-Envelope-To"] = ", ".join(envelope.rcpt_tos)
        with self._arrived:
            self.mails.append(mail)
            self._arrived.notify_all()
        return "250 OK"

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._controller.port}"

    def to(self, address: str) -> list[EmailMessage]:
        """Return the mails that came for *address*, in the order they came."""
        return [mail for mail in self.mails if address.lower() in str(mail["X-Envelope-To"]).lower()]

    def wait_for(self, address: str, number: int = 1, timeout: float = WAIT) -> EmailMessage:
        """Return the mail with that number for *address*, waiting until it is there."""
        with self._arrived:
            there = self._arrived.wait_for(lambda: len(self.to(address)) >= number, timeout)
        assert there, f"mail {number} for {address} did not come within {timeout:.0f} s; {len(self.mails)} came in all"
        return self.to(address)[number - 1]

    def clear(self) -> None:
        with self._arrived:
            self.mails.clear()

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()


def free_port() -> int:
    """Return a port that nobody listens on; the controller cannot choose one by itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def text_of(mail: EmailMessage) -> str:
    """Return the plain text of *mail*."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


@pytest.fixture
def smtp_sink() -> Iterator[Sink]:
    sink = Sink()
    sink.start()
    yield sink
    sink.stop()
