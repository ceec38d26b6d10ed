"""The keys of other services: made, changed, revoked, and recognised when they are presented.

1. The text of a key is returned once, by create(); the row has a keyed hash of its secret (ASVS 6.5.2).
2. A key is found by its public id, by one query, and its secret is compared in constant time. Whether it is revoked or
   too old is asked at each use: no clean-up decides it, no cache knows it (ASVS 13.3.4).
3. Every key has an end, a year away at most.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import events, lengths
from accounts.models import ApiKey
from accounts.roles import Scope
from accounts.signals import announce, refuse
from gatehouse import apikeys, hashing, limits
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason, SecurityEvent
from gatehouse.problems import Problem, validation
from gatehouse.reasons import checked_reason
from gatehouse.text import UnsafeText, clean_text

LONGEST = timedelta(days=366)
MOST_PER_MINUTE = limits.LIMITS["wide_service_ip"].number
TOUCH_EVERY = timedelta(minutes=1)
_NO_HASH = "-" * 64

Scopes = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """Another service, known by the key it came with."""

    id: UUID
    name: str
    scopes: frozenset[str]
    limit_per_minute: int | None

    @property
    def actor(self) -> Actor:
        """Who the trail says did what this service does."""
        return Actor.service(self.id, self.name)

    def may(self, scope: str) -> bool:
        """Tell whether its key has *scope*."""
        return scope in self.scopes


def create(
    *,
    name: str,
    scopes: Iterable[str],
    expires_in: timedelta,
    limit_per_minute: int | None = None,
    actor: Actor,
    client: Client,
) -> tuple[ApiKey, str]:
    """Make a key for the service called *name*; return its row, and its text, which nobody is shown again.

    Raises validation_failed.
    """
    name, chosen = _checked_name(name), _checked_scopes(scopes)
    if not timedelta(minutes=1) <= expires_in <= LONGEST:
        raise validation("expires", "invalid", _("A key lives a minute at least, and 366 days at most."))
    if limit_per_minute is not None and not 1 <= limit_per_minute <= MOST_PER_MINUTE:
        raise validation("limit", "invalid", _("Use a number from 1 to %(most)s.") % {"most": MOST_PER_MINUTE})
    now, key = timezone.now(), apikeys.new()
    with transaction.atomic(durable=True):
        row = ApiKey.objects.create(
            name=name,
            public_id=key.public_id,
            secret_hash=hashing.keyed_hash("api_key", key.public_id, key.secret),
            scopes=list(chosen),
            limit_per_minute=limit_per_minute,
            created_at=now,
            created_by=_by(actor),
            expires_at=now + expires_in,
        )
        announce(
            events.ApiKeyCreated(
                client=client, actor=actor, resource=_resource(row), name=name, public_id=row.public_id,
                scopes=chosen, expires_at=row.expires_at, limit_per_minute=limit_per_minute,
            )
        )  # fmt: skip
    return row, key.text()


def change_scopes(*, public_id: str, scopes: Iterable[str], reason: str, actor: Actor, client: Client) -> ApiKey:
    """Let a key do what *scopes* say from its next request on, and nothing else.

    Raises validation_failed, not_found, conflict: it is revoked, or has these scopes.
    """
    reason, after = checked_reason(reason), _checked_scopes(scopes)
    row = find(public_id)
    try:
        with transaction.atomic(durable=True):
            row = ApiKey.objects.select_for_update().get(pk=row.pk)
            before = tuple(row.scopes)
            if row.revoked_at is not None:
                raise Problem("conflict", detail=_("The key is revoked."))
            if before == after:
                raise Problem("conflict", detail=_("The key has these scopes already."))
            row.scopes = list(after)
            row.save(update_fields=["scopes"])
            announce(_changed(row, reason, actor, client, before, after))
    except Problem as problem:
        refuse(problem, _changed(row, reason, actor, client, tuple(row.scopes), tuple(row.scopes), success=False))
    return row


def revoke(*, public_id: str, reason: str, actor: Actor, client: Client) -> ApiKey:
    """Have a key open nothing from its next request on, for good.

    Raises validation_failed (no reason), not_found, conflict: it is revoked already.
    """
    reason = checked_reason(reason)
    row, now = find(public_id), timezone.now()
    with transaction.atomic(durable=True):
        live = ApiKey.objects.filter(pk=row.pk, revoked_at__isnull=True)
        if live.update(revoked_at=now, revoked_by=_by(actor), revoked_reason=reason):
            announce(_revoked(row, reason, actor, client))
            row.refresh_from_db()
            return row
    refuse(
        Problem("conflict", detail=_("The key is revoked already.")),
        _revoked(row, reason, actor, client, success=False),
    )


def find(public_id: str) -> ApiKey:
    """Return the key that *public_id* begins, also where a whole key is given; raises not_found."""
    row = ApiKey.objects.filter(public_id=public_id[: apikeys.ID_LENGTH]).first()
    if row is None:
        raise Problem("not_found", detail=_("There is no such key."))
    return row


def recognise(*, text: str, client: Client) -> Service:
    """Return the service whose key *text* is, and write down that it was used.

    Raises not_authenticated for whatever opens nothing, whatever the reason; the trail has that.
    """
    now, given = timezone.now(), apikeys.read(text)
    if given is None:
        _refuse_use(client, None, FailureReason.TOKEN_INVALID)
    row = ApiKey.objects.filter(public_id=given.public_id).first()
    kept = row.secret_hash if row is not None else _NO_HASH
    hashes = hashing.keyed_hashes("api_key", given.public_id, given.secret)
    if not any([hashing.same(one, kept) for one in hashes]) or row is None:
        _refuse_use(client, given.public_id, FailureReason.TOKEN_INVALID)
    if row.revoked_at is not None:
        _refuse_use(client, row.public_id, FailureReason.TOKEN_REVOKED, row)
    if row.is_expired(now):
        _refuse_use(client, row.public_id, FailureReason.TOKEN_EXPIRED, row)
    _touch(row, now)
    return Service(row.pk, row.name, frozenset(row.scopes), row.limit_per_minute)


def require(*, service: Service, permission: str, resource: str, client: Client) -> None:
    """Let *service* on where its key has the scope called *permission*; else record it and raise permission_denied."""
    if not service.may(permission):
        event = events.PermissionRefused(
            client=client,
            actor=service.actor,
            resource=resource,
            permission=permission,
            failure_reason=FailureReason.NOT_PERMITTED,
        )
        _note(event)
        raise Problem("permission_denied", detail=_("The key does not have the scope that this needs."))


def _touch(row: ApiKey, now: datetime) -> None:
    """Write down the use, at most once a minute."""
    since = now - TOUCH_EVERY
    if row.last_used_at is None or row.last_used_at <= since:
        unused = Q(last_used_at__isnull=True) | Q(last_used_at__lte=since)
        ApiKey.objects.filter(unused, pk=row.pk).update(last_used_at=now)


def _refuse_use(client: Client, public_id: str | None, reason: FailureReason, row: ApiKey | None = None) -> NoReturn:
    """Record a key that opens nothing; who came is not believed, so nobody is named as having acted."""
    resource = _resource(row) if row is not None else ""
    _note(events.ApiKeyRefused(client=client, public_id=public_id, failure_reason=reason, resource=resource))
    raise Problem("not_authenticated", detail=_("The key was refused."))


def _note(event: SecurityEvent) -> None:
    """Record a refusal, as long as its network stays under the limit: nobody fills the trail with made-up keys."""
    try:
        limits.take(None, ("invalid_token_ip", event.client.network))
    except Problem:
        return
    with transaction.atomic(durable=True):
        announce(event)


def _checked_name(name: str) -> str:
    try:
        name = clean_text(name.strip())
    except UnsafeText:
        raise validation("name", "invalid", _("Take out characters that cannot be seen.")) from None
    if not name:
        raise validation("name", "required", _("Say which service the key is for."))
    if len(name) > lengths.API_KEY_NAME:
        raise validation("name", "max_length", _("Use 60 characters or fewer."))
    if "@" in name:
        raise validation("name", "invalid", _("The trail shows this name: use no address."))
    return name


def _checked_scopes(scopes: Iterable[str]) -> Scopes:
    chosen = tuple(sorted({*scopes}))
    if not chosen:
        raise validation("scope", "required", _("Say what the key may do."))
    if unknown := [scope for scope in chosen if scope not in Scope.values]:
        says = _("There is no scope %(scope)s. The scopes are %(all)s.")
        raise validation("scope", "invalid", says % {"scope": unknown[0], "all": ", ".join(Scope.values)})
    return chosen


def _changed(
    row: ApiKey, reason: str, actor: Actor, client: Client, before: Scopes, after: Scopes, *, success: bool = True
) -> events.ApiKeyScopesChanged:
    return events.ApiKeyScopesChanged(
        client=client, actor=actor, resource=_resource(row), name=row.name, public_id=row.public_id, reason=reason,
        before=before, after=after, gained=tuple(sorted({*after} - {*before})),
        lost=tuple(sorted({*before} - {*after})), success=success,
        failure_reason=None if success else FailureReason.CONFLICT,
    )  # fmt: skip


def _revoked(row: ApiKey, reason: str, actor: Actor, client: Client, *, success: bool = True) -> events.ApiKeyRevoked:
    return events.ApiKeyRevoked(
        client=client, actor=actor, resource=_resource(row), name=row.name, public_id=row.public_id, reason=reason,
        success=success, failure_reason=None if success else FailureReason.CONFLICT,
    )  # fmt: skip


def _resource(row: ApiKey) -> str:
    return f"api_key:{row.pk}"


def _by(actor: Actor) -> str:
    return f"{actor.type}:{actor.id or actor.label}"
