"""What Redis knows of live sessions, for at most five seconds; the database stays the truth.

A slow reader can never put back a session that was revoked meanwhile:

1. Under one key a session there is nothing, a lease, a state or a tombstone. A state says "live", and nothing else:
   whoever is to be refused is refused by the database.
2. A reader that finds nothing puts a lease there, a random value of its own, and only then asks the database. It
   stores the state only where the key still holds that very lease, compared and set by one script.
3. A change of the session or of its account writes a tombstone over whatever is there, after its commit and before
   its service returns. So of the readers that asked the database before the commit, one that has stored is
   overwritten, and one that has not finds its lease gone: overwritten or expired, nothing is stored.
4. A tombstone means "ask the database". No reader writes over it, and it outlives every lease that was there before.
5. A reader inside a transaction may see the past, or what is not committed yet: it takes no lease and no state.
6. A state lives STATE after it was stored, which was at most LEASE after its reader asked the database: together
   five seconds. They are the bound where a tombstone cannot be written, and for changes that no service makes.
7. A state is sealed with a key of HASH_KEYS, for its session and until its end: whoever can write to Redis, but has
   no key, makes nobody live, gives nobody another account or role, and keeps no old state going.
8. A Redis that was emptied, restarted or fell back in time holds nothing, or states that end within these seconds.

Redis holds no password hash, no token and nothing that makes one. Reads that fail are left alone for REST, which is
as long as any state lives; tombstones are always tried. The client itself is used, not Django's cache, whose silence
about errors would look like a written tombstone.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import redis
import structlog
from django.db import Error as DatabaseError
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from gatehouse import hashing
from gatehouse.models import Counter
from sessions_app.conf import app_settings

log = structlog.get_logger(__name__)

LEASE, STATE, TOMBSTONE = 1_000, 4_000, 2_000  # milliseconds
REST = (LEASE + STATE) / 1_000  # seconds
LOST = "lost:session-tombstones"  # the counter of changes that Redis did not hear of
LOST_WINDOW = timedelta(days=1)
_BATCH = 500

_LEASED, _LIVE, _CHANGED = b"l", b"s", b"t"  # what a value begins with
_SEAL, _END = 32, 8  # bytes: of the seal, and of the end in milliseconds
_STORE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
_breaker = {"ask_again": 0.0}


@dataclass(frozen=True, slots=True)
class Found:
    """What was there: a state, or the lease that allows to store one, or neither."""

    state: bytes | None = None
    lease: bytes | None = None


_NOTHING = Found()


def is_on() -> bool:
    """Whether sessions are cached at all."""
    return bool(app_settings().CACHE_URL)


def look(sid: UUID) -> Found:
    """Return what Redis knows of session *sid*; a lease where it knows nothing."""
    if time.monotonic() < _breaker["ask_again"]:
        return _NOTHING
    key = _key(sid)
    try:
        connection = _client(app_settings().CACHE_URL)
        value: Any = connection.get(key)
        if value is None:
            lease = _LEASED + secrets.token_bytes(16)
            return Found(lease=lease) if connection.set(key, lease, nx=True, px=LEASE) else _NOTHING
    except redis.RedisError as error:
        _rest("read", error)
        return _NOTHING
    return Found(state=_unsealed(sid, value[1:])) if value[:1] == _LIVE else _NOTHING


def store(sid: UUID, lease: bytes, state: bytes) -> None:
    """Keep *state*, which the database gave after *lease* was taken, unless something happened to the session."""
    client = _client(app_settings().CACHE_URL)
    try:
        client.eval(_STORE, 1, _key(sid), lease, _LIVE + _sealed(sid, state), STATE)
    except redis.RedisError as error:
        _rest("store", error)


def bury(sids: Sequence[UUID]) -> None:
    """Have the database asked for *sids*, whose change has just been committed; count and log what could not be told.

    Never raises: the change stands. Until Redis is heard of again, at most five seconds pass in which another
    process may still take the old state for true; this one asks the database meanwhile.
    """
    try:
        for start in range(0, len(sids), _BATCH):
            _bury(sids[start : start + _BATCH])
    except redis.RedisError as error:
        _rest("tombstone", error)
        note_lost(len(sids), type(error).__name__)


def note_lost(sessions: int, error: str) -> None:
    """Log and count that Redis did not hear of a change of so many sessions."""
    log.warning("session_tombstone_lost", sessions=sessions, error=error)
    try:
        Counter.objects.raise_all([(LOST, LOST_WINDOW)], timezone.now())
    except DatabaseError as failure:
        log.warning("session_tombstone_not_counted", error=type(failure).__name__)


def lost(now: datetime) -> int:
    """Return of how many changes Redis did not hear in the window that runs: a day from the first."""
    return sum(counted.hits for counted in Counter.objects.read([LOST], now).values())


def forget_failures() -> None:
    """Ask Redis again at once; for tests."""
    _breaker["ask_again"] = 0.0


def _bury(sids: Iterable[UUID]) -> None:
    pipeline = _client(app_settings().CACHE_URL).pipeline(transaction=False)
    for sid in sids:
        pipeline.set(_key(sid), _CHANGED, px=TOMBSTONE)
    pipeline.execute()


def _sealed(sid: UUID, state: bytes) -> bytes:
    end = (time.time_ns() // 1_000_000 + STATE).to_bytes(_END, "big")
    return _seal(hashing.hash_keys()[0], sid, end + state) + end + state


def _unsealed(sid: UUID, value: bytes) -> bytes | None:
    """Return the state in *value*, or None where it is over, or nobody with a key of ours wrote it for *sid*."""
    seal, told = value[:_SEAL], value[_SEAL:]
    if int.from_bytes(told[:_END], "big") <= time.time_ns() // 1_000_000:
        return None
    sealed = any(hashing.same(seal, _seal(key, sid, told)) for key in hashing.hash_keys())
    return told[_END:] if sealed else None


def _seal(key: str, sid: UUID, told: bytes) -> bytes:
    return hmac.digest(hashing.derived_key(key, "session-state"), sid.bytes + told, hashlib.sha256)


def _rest(what: str, error: Exception) -> None:
    log.warning("session_cache_unavailable", doing=what, error=type(error).__name__)
    _breaker["ask_again"] = time.monotonic() + REST


def _key(sid: UUID) -> str:
    return f"gatehouse-session:{sid.hex}"


@cache
def _client(url: str) -> Any:
    """Return the client of this process. A command that fails on a connection of the pool is sent once more."""
    patience = app_settings().CACHE_PATIENCE.total_seconds()
    return redis.Redis.from_url(
        url, socket_timeout=patience, socket_connect_timeout=patience, retry=Retry(NoBackoff(), 1)
    )
