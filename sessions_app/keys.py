"""Making, activating and retiring the keys that sign tokens: the only code that writes a SigningKey.

Each act and its event are one transaction. No key material leaves this module but sealed.
"""

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.db import IntegrityError, transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from gatehouse import encryption
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from sessions_app import keyring
from sessions_app.conf import app_settings
from sessions_app.events import SigningKeyActivated, SigningKeyGenerated, SigningKeyRetired
from sessions_app.models import Algorithm, Session, SigningKey
from sessions_app.reasons import RevokeReason
from sessions_app.services.ending import revoke_locked
from sessions_app.signals import announce

#: After a change of the signing key, some process may sign with the old one for keyring.LIFE; twice that is safe.
SETTLING = timedelta(seconds=2 * keyring.LIFE)
_BATCH = 500
_KID_BYTES = 8
_RSA_EXPONENT = 65537


class State(StrEnum):
    """What a key is good for."""

    SIGNS = "signs"
    VERIFIES = "verifies"
    RETIRED = "retired"
    UNREADABLE = "unreadable"


class Place(StrEnum):
    """Where a key comes from."""

    SETTINGS = "settings"
    TABLE = "table"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One key as people see it."""

    kid: str
    algorithm: str
    place: Place
    state: State
    created_at: datetime | None  # None: a key of the settings
    sessions: int  # live ones whose refresh token it signed


def listed() -> list[Listed]:
    """Return every key, those of the settings first, then by age."""
    rows = list(SigningKey.objects.order_by("created_at", "kid"))
    ring = keyring.ring_of(rows)
    hanging = _hanging()
    there = {row.kid for row in rows}
    named = [key for key in map(keyring.from_secret, app_settings().SIGNING_KEYS) if key.kid not in there]
    return [
        *(_listed(key.kid, key.algorithm, Place.SETTINGS, None, ring, hanging) for key in named),
        *(_listed(row.kid, row.algorithm, _place(row), _made_at(row), ring, hanging) for row in rows),
    ]


def generate(*, algorithm: str, client: Client, actor: Actor, activate: bool = False) -> str:
    """Make a key and return its kid; with *activate*, it signs from now on.

    Raises ValueError for an algorithm that is none of ours.
    """
    private, public = _made(Algorithm(algorithm))
    kid = secrets.token_hex(_KID_BYTES)
    sealed = encryption.encrypt(private, keyring.seal_context(kid, algorithm))
    with transaction.atomic(durable=True):
        rows = _locked()
        row = SigningKey(kid=kid, algorithm=algorithm, private=sealed, public=public, created_at=timezone.now())
        row.save(force_insert=True)
        announce(SigningKeyGenerated(client=client, actor=actor, resource=f"key:{kid}", kid=kid, algorithm=algorithm))
        if activate:
            _activate(row, rows, client, actor)
    keyring.forget()
    return kid


def generate_if_missing(*, client: Client, actor: Actor) -> str | None:
    """Make and activate a key of the algorithm that is set, unless one signs already; return its kid, or None.

    Raises conflict where a key does not open: with the right ENCRYPTION_KEY it might be the one.
    """
    ring = keyring.ring_of(list(SigningKey.objects.all()))
    algorithm = app_settings().SIGNING_ALGORITHM
    if ring.signing is not None and ring.signing.algorithm == algorithm:
        return None
    if ring.unreadable:
        kid, cause = next(iter(ring.unreadable.items()))
        raise _conflict(_("The key %(kid)s is not used: %(cause)s.") % {"kid": kid, "cause": cause})
    return generate(algorithm=algorithm, activate=True, client=client, actor=actor)


def activate(*, kid: str, client: Client, actor: Actor) -> None:
    """Sign with key *kid* of the table from now on. Raises not_found, conflict."""
    with transaction.atomic(durable=True):
        rows = _locked()
        row = next((row for row in rows if row.kid == kid), None)
        ring = keyring.ring_of(rows)
        if row is None and kid in ring.verifying:
            raise _conflict(_("A key of the settings signs where none of the table does: it cannot be activated."))
        if row is None:
            raise Problem("not_found", detail=_("There is no key of this name: `keys list` shows all there are."))
        if kid not in ring.verifying:
            cause = ring.unreadable.get(kid) or _("it is retired")
            raise _conflict(_("This key cannot sign: %(cause)s.") % {"cause": cause})
        _activate(row, rows, client, actor)
    keyring.forget()


def retire(*, kid: str, client: Client, actor: Actor, end_sessions: bool = False) -> int:
    """Believe key *kid* no more, for good; return how many sessions ended with it.

    Raises not_found; conflict for the key that signs, for one that a process may still sign with, and, without
    *end_sessions*, for one that signed refresh tokens of sessions which live.
    """
    with transaction.atomic(durable=True):
        rows = _locked()
        ring = keyring.ring_of(rows)
        _refuse_retiring(kid, rows, ring)
        ended = 0
        if end_sessions:
            ended = _end_sessions(kid, client, actor)
        elif hanging := _hanging().get(kid, 0):
            said = _("Sessions that hang on this key: %(number)d. Wait until they are renewed, or end them with it.")
            raise _conflict(said % {"number": hanging})
        algorithm = _write_retired(kid, rows)
        announce(
            SigningKeyRetired(
                client=client,
                actor=actor,
                resource=f"key:{kid}",
                kid=kid,
                algorithm=algorithm,
                sessions_ended=ended,
            )
        )
    keyring.forget()
    return ended


def _refuse_retiring(kid: str, rows: Sequence[SigningKey], ring: keyring.Ring) -> None:
    if not ring.knows(kid):
        raise Problem("not_found", detail=_("There is no key of this name: `keys list` shows all there are."))
    if kid in ring.retired:
        raise _already_retired()
    if ring.signing is not None and kid == ring.signing.kid:
        raise _conflict(_("This key signs: activate another one first."))
    changed = max((row.activated_at for row in rows if row.activated_at), default=None)
    if changed is not None and abs(timezone.now() - changed) < SETTLING:
        said = _("The signing key changed a moment ago, and a process may not know yet: repeat this in %(seconds)d s.")
        raise _conflict(said % {"seconds": SETTLING.total_seconds()})


def _end_sessions(kid: str, client: Client, actor: Actor) -> int:
    """End the live sessions whose refresh tokens *kid* signed, in batches of the caller's transaction."""
    hanging = Session.objects.live(timezone.now()).filter(refresh_kid=kid).order_by("pk").select_for_update()
    ended = 0
    while batch := list(hanging[:_BATCH]):
        revoke_locked(batch, reason=RevokeReason.KEYS_RETIRED, client=client, actor=actor, by="")
        ended += len(batch)
        hanging = hanging.filter(pk__gt=batch[-1].pk)
    return ended


def _write_retired(kid: str, rows: Sequence[SigningKey]) -> str:
    """Mark the row of *kid*, or note the key of the settings in a row without a private part; return its algorithm."""
    now = timezone.now()
    row = next((row for row in rows if row.kid == kid), None)
    if row is None:
        try:
            SigningKey.objects.create(kid=kid, algorithm=Algorithm.HS256, created_at=now, retired_at=now)
        except IntegrityError:  # there was no row to lock, and somebody else was first
            raise _already_retired() from None
        return Algorithm.HS256.value
    SigningKey.objects.filter(pk=kid).update(retired_at=now)
    return row.algorithm


def _activate(row: SigningKey, rows: Sequence[SigningKey], client: Client, actor: Actor) -> None:
    signing = keyring.ring_of(rows).signing
    latest = [other.activated_at for other in rows if other.activated_at]
    # Clocks of several machines differ, and the last one signs.
    now = max([timezone.now(), *(moment + timedelta(microseconds=1) for moment in latest)])
    SigningKey.objects.filter(pk=row.pk).update(activated_at=now)
    announce(
        SigningKeyActivated(
            client=client,
            actor=actor,
            resource=f"key:{row.kid}",
            kid=row.kid,
            algorithm=row.algorithm,
            before=signing.kid if signing else None,
        )
    )


def _locked() -> list[SigningKey]:
    """Return every row, locked: of several acts at once each sees what the others did."""
    return list(SigningKey.objects.select_for_update().order_by("kid"))


def _hanging() -> Counter[str]:
    """Return how many live sessions hang on each key by their refresh tokens."""
    live = Session.objects.live(timezone.now()).exclude(refresh_kid="")
    return Counter(dict(live.order_by().values_list("refresh_kid").annotate(Count("pk"))))


def _made(algorithm: Algorithm) -> tuple[str, str]:
    """Return the private and the public part of a new key, as its row holds them, the private one not yet sealed."""
    if algorithm == Algorithm.HS256:
        return secrets.token_urlsafe(48), ""
    key: Any
    if algorithm == Algorithm.EDDSA:
        key = Ed25519PrivateKey.generate()
    else:
        key = generate_private_key(_RSA_EXPONENT, keyring.RSA_BITS)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return private, keyring.public_pem(key.public_key())


def _place(row: SigningKey) -> Place:
    return Place.TABLE if row.private else Place.SETTINGS


def _listed(
    kid: str, algorithm: str, place: Place, created_at: datetime | None, ring: keyring.Ring, hanging: Counter[str]
) -> Listed:
    if kid in ring.retired:
        state = State.RETIRED
    elif kid in ring.unreadable:
        state = State.UNREADABLE
    else:
        state = State.SIGNS if ring.signing is not None and ring.signing.kid == kid else State.VERIFIES
    return Listed(kid=kid, algorithm=algorithm, place=place, state=state, created_at=created_at, sessions=hanging[kid])


def _made_at(row: SigningKey) -> datetime | None:
    """Return when the key of *row* was made: of one of the settings, the row only tells when it was retired."""
    return None if _place(row) == Place.SETTINGS else row.created_at


def _already_retired() -> Problem:
    return _conflict(_("This key is retired already."))


def _conflict(detail: str) -> Problem:
    return Problem("conflict", detail=detail)
