"""Checkpoints: how many seals there are and the root over them, signed, to be kept where the database's owner is not.

The seals are the leaves of a log (RFC 9162), each with its signature. A checkpoint is text in the form of C2SP
tlog-checkpoint, a signed note: the origin, the number of seals, the root in base64, an empty line, and the signature.
Whoever cuts the newest seals off, or makes the history anew with a stolen key, contradicts one that was published.
"""

import logging
import re
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.core.mail import EmailMessage
from django.db import router

from gatehouse.conf import app_settings as ground

from . import merkle
from .conf import app_settings
from .seals import Checkpoint, Seal
from .signing import PublicKey, SigningKey, public_keys, signing_key

logger = logging.getLogger(__name__)

EVERY = timedelta(days=1)
STANDARD_OUTPUT, MAIL = "-", "mail:"
_CHUNK = 2000
_LOOKED_AT = 100
_NOTE = re.compile(r"(?P<text>(?:[^\n]+\n){3,})\n(?P<signatures>(?:— [^\n]+\n)+)")


class NoCheckpointError(ValueError):
    """Raised by read() for a text without a checkpoint, or with one that our keys did not sign."""


@dataclass(frozen=True)
class Published:
    """What a checkpoint says: so many seals, and the root over them."""

    size: int
    root: bytes


def origin() -> str:
    """Return what checkpoints call this trail."""
    return app_settings().ORIGIN or f"{urlsplit(ground().BASE_URL).hostname or 'localhost'}/audit"


def make(key: SigningKey | None = None) -> Checkpoint:
    """Return the checkpoint over every seal there is, not stored; only the seals since the last one are read.

    Raises ImproperlyConfigured where there is no key that signs.
    """
    key, alias = key or signing_key(), router.db_for_write(Seal)
    tree = _tree(alias)
    later = Seal.objects.using(alias).filter(number__gt=tree.size).order_by("number")
    for seal in later.iterator(chunk_size=_CHUNK):
        tree.append(seal.log_leaf)
    full = " ".join(subtree.hex() for subtree in tree.full)
    return Checkpoint(size=tree.size, note=_note(tree.size, tree.root(), key), full=full)


def publish(place: str, checkpoint: Checkpoint) -> None:
    """Send *checkpoint* to *place*: ``-`` is the standard output, ``mail:ADDRESS`` a mail, all else a file.

    A file grows by each. Raises OSError where it cannot be written or sent.
    """
    if place == STANDARD_OUTPUT:
        sys.stdout.write(checkpoint.note)
        sys.stdout.flush()
    elif place.startswith(MAIL):
        subject = f"Checkpoint of {origin()}: {checkpoint.size} seals"
        EmailMessage(subject, checkpoint.note, to=[place.removeprefix(MAIL)]).send()
    else:
        with Path(place).open("a", encoding="utf-8") as file:
            file.write(checkpoint.note + "\n")


def publish_daily(*, now: datetime) -> Checkpoint | None:
    """Publish a checkpoint wherever AUDIT["CHECKPOINTS"] says, if the last one is a day old; return it.

    A place that fails keeps the others from nothing: it counts as published once it went somewhere, and what failed is
    raised then, an OSError. What went nowhere is tried again.
    """
    places = app_settings().CHECKPOINTS
    newest = _newest(router.db_for_write(Checkpoint))
    # one of a time to come was put in by hand, or by a clock that was wrong
    if not places or (newest and timedelta(0) <= now - newest.published_at < EVERY):
        return None
    made = make()
    if not made.size:
        return None
    failures = [failure for place in places if (failure := _failure(place, made))]
    if len(failures) < len(places):
        keep(made, now=now)
    if failures:
        raise failures[0]
    return made


def _failure(place: str, made: Checkpoint) -> OSError | None:
    try:
        publish(place, made)
    except OSError as error:  # a mail server's answers are such errors, too
        logger.error("a checkpoint did not reach %s: %s", place, error)
        return error
    return None


def keep(checkpoint: Checkpoint, *, now: datetime) -> None:
    """Write down that *checkpoint* was published."""
    said = {"note": checkpoint.note, "full": checkpoint.full, "published_at": now}
    Checkpoint.objects.update_or_create(size=checkpoint.size, defaults=said)


def each(text: str) -> list[str]:
    """Return the checkpoints in *text* one by one; *text* itself where it holds none."""
    return [note[0] for note in _NOTE.finditer(text if text.endswith("\n") else text + "\n")] or [text]


def read(text: str, keys: Mapping[str, PublicKey], name: str) -> Iterator[Published]:
    """Yield what each checkpoint in *text* says, whose signer is called *name*. Raises NoCheckpointError."""
    notes = list(_NOTE.finditer(text if text.endswith("\n") else text + "\n"))
    if not notes:
        raise NoCheckpointError("there is no checkpoint in it")
    for note in notes:
        yield _read(note["text"], note["signatures"], keys, name)


def _read(text: str, signatures: str, keys: Mapping[str, PublicKey], name: str) -> Published:
    said_origin, size, root = text.split("\n")[:3]
    if said_origin != name:
        raise NoCheckpointError(f"it is of {said_origin!r}, not of {name!r}")
    if not any(_is_signed(text, line, keys, name) for line in signatures.splitlines()):
        raise NoCheckpointError("none of our keys signed it")
    try:
        return Published(int(size), b64decode(root, validate=True))
    except ValueError as error:
        raise NoCheckpointError("it says neither size nor root") from error


def _is_signed(text: str, line: str, keys: Mapping[str, PublicKey], name: str) -> bool:
    signer, _space, signature = line.removeprefix("— ").rpartition(" ")
    try:
        raw = b64decode(signature, validate=True)
    except ValueError:
        return False
    return signer == name and any(
        raw[:4] == key.note_hash(name) and key.verifies(raw[4:], text.encode()) for key in keys.values()
    )


def _note(size: int, root: bytes, key: SigningKey) -> str:
    name = origin()
    text = f"{name}\n{size}\n{b64encode(root).decode()}\n"
    signature = key.public.note_hash(name) + key.sign(text.encode())
    return f"{text}\n— {name} {b64encode(signature).decode()}\n"


def _newest(alias: str) -> Checkpoint | None:
    """Return the newest checkpoint that is ours: whoever may add rows can put some in."""
    keys, name = public_keys(), origin()
    for row in Checkpoint.objects.using(alias).order_by("-size")[:_LOOKED_AT]:
        try:
            if [one.size for one in read(row.note, keys, name)] == [row.size]:
                return row
        except NoCheckpointError:
            continue
    return None


def _tree(alias: str) -> merkle.Tree:
    """Return the tree as the last checkpoint left it, if that says so and its seals are still there."""
    newest = _newest(alias)
    if newest is None or not Seal.objects.using(alias).filter(number=newest.size).exists():
        return merkle.Tree()
    try:
        tree = merkle.Tree(newest.size, map(bytes.fromhex, newest.full.split()))
    except ValueError:
        return merkle.Tree()
    said = next(read(newest.note, public_keys(), origin()))
    return tree if tree.root() == said.root else merkle.Tree()
