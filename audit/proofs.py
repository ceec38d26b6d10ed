"""Proofs that one event is in the trail as it was sealed, to be checked by anybody who has the public key.

A proof is JSON: the event's canonical text, its place and the path to the root of its seal, the seal and its signature;
where there are checkpoints, the path from the seal to the newest one besides. ``check`` needs no database, no settings
and no secret.
"""

import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connections, router

from . import archive_files, canonical, merkle
from .archives import record_of
from .checkpoints import NoCheckpointError, read
from .seals import Checkpoint, Seal, SealedEvent
from .signing import PublicKey

VERSION = 1


class NoProofError(ValueError):
    """Raised by prove() for an event without a seal, and by check() for what proves nothing."""


@dataclass(frozen=True)
class Proved:
    """What a proof that holds says."""

    event: dict[str, Any]
    seal: int
    sealed_at: str
    key_id: str
    log_size: int | None  # how many seals the checkpoint speaks of; None without one


def prove(event_id: int, *, archive: Path | None = None) -> str:
    """Return the proof for one event; one whose row went is looked for in the files in *archive*.

    Raises NoProofError where it is not sealed, not what was sealed, or in a file that cannot be read.
    """
    alias = router.db_for_read(Seal)
    held = SealedEvent.objects.using(alias).filter(pk=event_id).first()
    row = next(canonical.rows(connections[alias], "e.id = %s", [event_id]), None)
    if held is None:
        raise NoProofError(f"Event {event_id} is not there." if row is None else f"Event {event_id} is not sealed yet.")
    seal = Seal.objects.using(alias).get(pk=held.seal_id)
    text = _archived(alias, held, archive) if row is None else canonical.leaf_bytes(row)
    leaves = SealedEvent.objects.using(alias).filter(seal_id=seal.number).order_by("position")
    hashes = map(bytes, leaves.values_list("leaf", flat=True).iterator(chunk_size=2000))
    path = merkle.inclusion_path(hashes, held.position, seal.count)
    if merkle.root_by_path(merkle.leaf_hash(text), held.position, seal.count, path) != bytes.fromhex(seal.root):
        raise NoProofError(f"Event {event_id} is not what was sealed: `audit verify` says more.")
    proof = {
        "v": VERSION,
        "event": text.decode(),
        "index": held.position,
        "path": _hex(path),
        "seal": seal.body,
        "signature": seal.signature,
        "log": _log_proof(alias, seal),
    }
    return json.dumps(proof, indent=1, ensure_ascii=False) + "\n"


def check(text: str, keys: Mapping[str, PublicKey]) -> Proved:
    """Return what the proof in *text* says, if it holds under one of *keys*. Raises NoProofError."""
    try:
        return _check(json.loads(text), keys)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, NoProofError | NoCheckpointError):
            raise NoProofError(str(error)) from error
        raise NoProofError("This is no proof: something is missing in it, or is of another kind.") from error


def _check(proof: dict[str, Any], keys: Mapping[str, PublicKey]) -> Proved:
    seal, event = proof["seal"], json.loads(proof["event"])
    key = keys.get(seal["key_id"])
    if proof["v"] != VERSION or seal["v"] != VERSION:
        raise NoProofError("The proof is of a version that is not known here.")
    if key is None:
        raise NoProofError(f"The seal names the key {seal['key_id']}, which was not given.")
    if not key.verifies(b64decode(proof["signature"], validate=True), canonical.dumps(seal)):
        raise NoProofError("The signature of the seal is not by the key it names.")
    leaf = merkle.leaf_hash(proof["event"].encode())
    if merkle.root_by_path(leaf, proof["index"], seal["count"], _bytes(proof["path"])) != bytes.fromhex(seal["root"]):
        raise NoProofError("The event is not one that the seal holds.")
    size = _check_log(proof["log"], seal, proof["signature"], keys) if proof["log"] else None
    return Proved(event, seal["number"], seal["sealed_at"], seal["key_id"], size)


def _archived(alias: str, held: SealedEvent, archive: Path | None) -> bytes:
    """Return an event whose row went, in its canonical form, from the file that has it."""
    record = record_of(held.event_id, alias=alias)
    if record is None or not archive_files.NAME.fullmatch(record.file):
        raise NoProofError(f"Event {held.event_id} is not there.")
    if archive is None:
        says = f"Event {held.event_id} lies in the archive, in {record.file}: name the folder by --archive."
        raise NoProofError(says)
    try:
        with archive_files.opened(archive, record.file) as file:
            return archive_files.find(archive_files.Reader(file), held.seal_id, held.position)
    except (OSError, archive_files.DamagedError) as error:
        raise NoProofError(f"{record.file}: {error}") from error


def _log_proof(alias: str, seal: Seal) -> dict[str, Any] | None:
    """Return the path of *seal* to the newest checkpoint that speaks of it, None where none does."""
    newest = Checkpoint.objects.using(alias).filter(size__gte=seal.number).order_by("-size").first()
    if newest is None:
        return None
    seals = Seal.objects.using(alias).filter(number__lte=newest.size).order_by("number").iterator(chunk_size=2000)
    path = merkle.inclusion_path((one.log_leaf for one in seals), seal.number - 1, newest.size)
    return {"checkpoint": newest.note, "path": _hex(path)}


def _check_log(log: dict[str, Any], seal: dict[str, Any], signature: str, keys: Mapping[str, PublicKey]) -> int:
    name = log["checkpoint"].partition("\n")[0]
    published = next(read(log["checkpoint"], keys, name))
    leaf = merkle.leaf_hash(canonical.dumps({**seal, "signature": signature}))
    if merkle.root_by_path(leaf, seal["number"] - 1, published.size, _bytes(log["path"])) != published.root:
        raise NoProofError("The seal is not one that the checkpoint speaks of.")
    return published.size


def _hex(hashes: list[bytes]) -> list[str]:
    return [one.hex() for one in hashes]


def _bytes(hashes: list[str]) -> list[bytes]:
    return [bytes.fromhex(one) for one in hashes]
