"""How the trail stands, for those who watch it: what the last verification found, and whether there was one at all."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, router

from .conf import app_settings
from .findings import Code, Finding, Report
from .sealing import top
from .seals import Seal, Verification
from .verification import triggers, unsealed

_TOLD = 100  # findings that are kept for staff
_RUNS = timedelta(hours=1)  # a verification that takes longer is taken for one that died


def begin(*, now: datetime) -> None:
    """Write down that a verification of the whole trail begins."""
    Verification.objects.update_or_create(id=1, defaults={"begun_at": now})


def keep(report: Report, *, now: datetime) -> None:
    """Write down how a verification of the whole trail ended."""
    told = report.as_json()
    said = {"verified_at": now, "sealed_through": report.sealed_through, "events": report.events}
    said |= {"found": report.found, "findings": told["findings"][:_TOLD]}
    Verification.objects.update_or_create(id=1, defaults=said)


def integrity(*, now: datetime) -> dict[str, Any]:
    """Return how the trail stands: whether all is well, how far it is sealed, when it was verified, and what is wrong.

    All is well only where a verification of the whole trail ended lately and found nothing, none died since, and
    nothing is wrong that is seen at once: a trigger that is gone, events that wait to be sealed. ``sealed_through`` is
    the greatest id of an event that is sealed, now.
    """
    alias = router.db_for_read(Seal)
    last = Verification.objects.filter(id=1).first() or Verification()
    found = [*_of_verification(last, now), *triggers(connections[alias]), *unsealed(alias)]
    is_running = last.begun_at is not None and last.begun_at > now - _RUNS
    grave = [finding for finding in found if not (is_running and finding.code == Code.UNFINISHED)]
    return {
        "ok": not last.found and not grave,
        "sealed_through": top(alias),
        "last_verified_at": last.verified_at,
        "findings": [*last.findings, *(finding.as_json() for finding in found)],
    }


def _of_verification(last: Verification, now: datetime) -> Iterator[Finding]:
    """Say what of the last verification keeps it from telling how the trail stands."""
    if last.verified_at is None:
        yield Finding(Code.UNVERIFIED, "no verification of the whole trail has ended yet")
    elif last.verified_at < now - app_settings().VERIFIED_WITHIN:
        yield Finding(
            Code.STALE, f"the last verification of the whole trail ended at {last.verified_at:%Y-%m-%d %H:%M}"
        )
    if last.begun_at is not None and (last.verified_at is None or last.begun_at > last.verified_at):
        says = f"a verification that began at {last.begun_at:%Y-%m-%d %H:%M} has not ended: it runs, or it died"
        yield Finding(Code.UNFINISHED, says)
