"""Django's mail backend of development: keeps each mail, and shows it in the terminal."""

import sys
from collections.abc import Sequence
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from config.devmail import mailbox
from gatehouse.conf import app_settings


class EmailBackend(BaseEmailBackend):
    """Keep mails in the development mailbox."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.stream = options.pop("stream", None) or sys.stdout

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Keep each mail and print who gets it, its code, its link and its text."""
        for message in email_messages:
            self._show(mailbox.keep(mailbox.parse(message.message().as_bytes())))
        return len(email_messages)

    def _show(self, mail: mailbox.KeptMail) -> None:
        rule = "-" * 78
        facts = [f"Mail to {mail.to}: {mail.subject}"]
        facts += [f"  code  {mail.code}"] if mail.code else []
        facts += [f"  link  {mail.link}"] if mail.link else []
        facts += [f"  read  {app_settings().url(f'/dev/mail/{mail.id}')}"]
        self.stream.write("\n".join([rule, *facts, rule, mail.text.strip(), rule, ""]))
        self.stream.flush()
