"""Writes accounts, devices and sessions by the million, on the database's side."""

import shutil
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.utils import timezone

from accounts.models import Status
from bench.schemas import Copy
from gatehouse.ids import uuid7
from sessions_app.models import Device, Door, Session, Transport
from sessions_app.reasons import RevokeReason

SESSIONS_A_PERSON = 5
DEVICES_A_PERSON = 2
BYTES_A_SESSION = 1500  # of which half are tables and indexes, seen at 5 million; the rest is log and sorting
SPARE = 2 * 1024**3

# An id as uuid7() makes it: milliseconds first, the rest without an order. It follows from the number of its row, so
# that a session names its account and its device without looking for them.
ID = """
CREATE OR REPLACE FUNCTION pg_temp.bench_id(kind text, serial bigint, millis bigint) RETURNS uuid LANGUAGE sql
IMMUTABLE RETURN overlay(overlay(md5(kind || serial) placing lpad(to_hex(millis), 12, '0') || '7' from 1 for 13)
                         placing '9' from 17 for 1)::uuid
"""
PERSON = "pg_temp.bench_id('person', {0}, 1672531200000 + 60000 * {0}::bigint)"  # from 2023 on, one a minute
DEVICE = "pg_temp.bench_id('device', {0}, 1672531200000 + 30000 * {0}::bigint)"
MILLIS = "(extract(epoch from {}) * 1000)::bigint"

# Sessions of the last 40 days in the order of their beginning, half of them with a refresh token. A third of all
# lives: of those younger than 28 days not quite half, so that live and ended rows lie side by side.
SESSIONS = f"""
(SELECT *,
  CASE WHEN lives THEN greatest(made, %(now)s - used * interval '6 days')
       ELSE least(made + used * interval '5 days', %(now)s - interval '1 minute') END AS last,
  date_trunc('second', made) + interval '30 days' AS longest
FROM (SELECT *, now - age AS made, age < interval '28 days' AND luck < 40 / 28.0 / 3 AS lives
FROM (SELECT serial, %(now)s AS now, random() AS luck, random() AS used, random() < 0.5 AS api,
  %(people)s + 1 + floor(random() * %(new_people)s)::bigint AS owner,
  floor(random() * {DEVICES_A_PERSON})::bigint AS place,
  interval '1 hour' + interval '40 days' * (%(last)s - serial) / (%(last)s - %(first)s + 1.0) AS age
FROM generate_series(%(first)s, %(last)s) AS serial) AS drawn) AS dated) AS source
"""
IDLE = "least(date_trunc('second', last) + interval '7 days', longest)"


def grow(copy: Copy, size: int) -> None:
    """Bring the sessions of *copy* to *size*, with five to a person and two devices, indexed and analysed."""
    have = copy.count(Session._meta.db_table)
    copy.use()
    if have:
        copy.sweep()  # an index made over rows that were updated in their page is of no use to older transactions
        copy.strip()
    people, wanted = (max(1, number // SESSIONS_A_PERSON) if number else 0 for number in (have, size))
    with connection.cursor() as cursor:
        cursor.execute(ID)
    _people(people, wanted)
    _devices(people * DEVICES_A_PERSON, wanted * DEVICES_A_PERSON)
    _sessions(have, size, people, wanted)
    copy.build()


def lacks_room(rows: int) -> str:
    """Return what to say where the disk is too small for *rows* sessions; empty where it is not, or is not ours."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
        found = cursor.fetchone()
    try:
        free = shutil.disk_usage(Path(found[0])).free if found else None
    except OSError:
        return ""
    needed = rows * BYTES_A_SESSION + SPARE
    if free is None or free >= needed:
        return ""
    return f"{rows} rows take about {needed / 1e9:.0f} GB; {free / 1e9:.0f} GB are free. Give smaller --sizes."


def _people(have: int, wanted: int) -> None:
    person = get_user_model()(email="nobody@example.com", email_key="nobody", password=make_password("measured"))
    person.set_status(Status.ACTIVE)
    person.created_at = person.updated_at = person.email_verified_at = timezone.now()
    email = "'person' || serial || '@example.com'"
    values = {"id": PERSON.format("serial"), "email": email, "email_key": email}
    _insert(person, values, "generate_series(%(first)s, %(last)s) AS serial", {"first": have + 1, "last": wanted})


def _devices(have: int, wanted: int) -> None:
    now = timezone.now()
    device = Device(name="Firefox 142 on Linux", kind="desktop", first_seen_at=now, user_id=uuid7())
    values = {
        "id": DEVICE.format("serial"),
        "user_id": PERSON.format(f"((serial + {DEVICES_A_PERSON - 1}) / {DEVICES_A_PERSON})"),
        "secret_hash": "encode(sha256(serial::text::bytea), 'hex')",
        "last_seen_at": "%(now)s - random() * interval '40 days'",
    }
    given = {"first": have + 1, "last": wanted, "now": now}
    _insert(device, values, "generate_series(%(first)s, %(last)s) AS serial", given)


def _sessions(have: int, wanted: int, people: int, people_wanted: int) -> None:
    now = timezone.now()
    session = Session(user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0")
    session.device_name, session.device_kind, session.factors = "Firefox 142 on Linux", "desktop", ["password", "email"]
    values = {
        "id": f"pg_temp.bench_id('session', serial, {MILLIS.format('made')})",
        "user_id": PERSON.format("owner"),
        "device_id": DEVICE.format(f"(owner * {DEVICES_A_PERSON} - place)"),
        "door": f"CASE WHEN api THEN '{Door.API}' ELSE '{Door.PAGE}' END",
        "transport": f"CASE WHEN api THEN '{Transport.BEARER}' ELSE '{Transport.COOKIE}' END",
        "ip": "'10.0.0.0'::inet + serial %% 16000000",
        "created_at": "made",
        "authenticated_at": "made",
        "last_used_at": "last",
        "idle_expires_at": IDLE,
        "absolute_expires_at": "longest",
        "refresh_id": f"CASE WHEN api THEN pg_temp.bench_id('refresh', serial, {MILLIS.format('last')}) END",
        "refresh_issued_at": "CASE WHEN api THEN date_trunc('second', last) END",
        "refresh_expires_at": f"CASE WHEN api THEN {IDLE} END",
        "revoked_at": "CASE WHEN NOT lives THEN least(last + interval '1 hour', now) END",
        "revoked_reason": f"CASE WHEN lives THEN '' ELSE '{RevokeReason.SIGNED_OUT}' END",
    }
    given = {"first": have + 1, "last": wanted, "now": now, "people": people, "new_people": people_wanted - people}
    _insert(session, values, SESSIONS, given)


def _insert(template: Any, values: dict[str, str], source: str, given: dict[str, Any]) -> None:
    """Write a row for each of *source*: what *values* names by SQL, every other column as *template* has it."""
    columns = []
    for field in template._meta.concrete_fields:
        columns.append(field.column)
        if field.column not in values:
            values[field.column] = f"%({field.column})s"
            given[field.column] = field.get_db_prep_save(getattr(template, field.attname), connection)
    chosen = ", ".join(values[column] for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {template._meta.db_table} ({', '.join(columns)}) SELECT {chosen} FROM {source}", given
        )
