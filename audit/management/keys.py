"""``manage.py audit keys``: what verifies the seals. None of it is secret."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit import signing
from audit.checkpoints import origin

NAME = "keys"
HELP = "Show the public keys that verify seals, the one that signs first; none of it is secret."
_ROW = "{:<18} {:<46} {}"


def add_arguments(parser: CommandParser) -> None:
    """Take nothing."""


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Show each key by its id, as AUDIT_PUBLIC_KEYS takes it, and as tools for signed notes do."""
    command.stdout.write(_ROW.format("id", "public key", "for tools that verify notes"))
    for key in signing.public_keys().values():
        command.stdout.write(_ROW.format(key.key_id, key.text, key.note_key(origin())))
