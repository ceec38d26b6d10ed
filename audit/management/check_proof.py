"""``manage.py audit check-proof``: whether a proof holds. It asks no database and, with a key, no setting."""

import sys
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import proofs, signing
from audit.management.exits import FAILED, FINDINGS

NAME = "check-proof"
HELP = "Check a proof with nothing but its file and the public key; exits with 3 where it does not hold."


def add_arguments(parser: CommandParser) -> None:
    """Say what the sub-command takes."""
    parser.add_argument("file", help="What `audit prove` wrote; - is the standard input.")
    parser.add_argument(
        "--public-key", metavar="KEY", action="append", default=[], help="As `audit keys` shows it; may come again."
    )


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Say what the proof proves, and tell by the status whether it does."""
    try:
        proved = proofs.check(_text_of(options["file"]), _keys(options["public_key"]))
    except proofs.NoProofError as error:
        command.stdout.write(str(error))
        sys.exit(FINDINGS)
    event = proved.event
    command.stdout.write(f"Event {event['id']}, {event['action']} of {event['timestamp']}, is in seal {proved.seal}.")
    command.stdout.write(f"Sealed at {proved.sealed_at} with the key {proved.key_id}.")
    if proved.log_size is not None:
        command.stdout.write(f"The seal is in the checkpoint of {proved.log_size} seals.")


def _keys(given: list[str]) -> dict[str, signing.PublicKey]:
    if not given:
        return signing.public_keys()
    try:
        return signing.by_id(signing.PublicKey(signing.decoded("PUBLIC_KEYS", text)) for text in given)
    except ImproperlyConfigured:
        raise CommandError("--public-key takes the base64 of 32 bytes.", returncode=2) from None


def _text_of(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}", returncode=FAILED) from None
