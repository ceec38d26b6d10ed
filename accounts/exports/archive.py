"""The zip of an export: a README in plain words, everything as one JSON file, and each list as CSV, too.

It is written in steps, so that a worker can do something else between two of them. Each row is read once: what goes
into a CSV waits in a file without a name, which vanishes with the process that wrote it.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from tempfile import TemporaryFile
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from django.core.serializers.json import DjangoJSONEncoder
from django.template.loader import render_to_string

from accounts.exports.parts import Part, parts
from accounts.models import User
from gatehouse.conf import app_settings as site_settings
from gatehouse.spreadsheets import Table

FORMAT = 1  # of account.json; raised when something in it changes its meaning
MIME_TYPE = "application/zip"
STEP = 200  # rows
_CHUNK = 64 * 1024  # characters


def write(user: User, out: IO[bytes], *, at: datetime) -> Iterator[None]:
    """Write all that is held about *user* into *out*, a step at a time; *at* is the moment that the files name.

    Raises ValueError for rows of one part that have different names, and whatever a host's part raises.
    """
    held = parts()
    with ExitStack() as stack, ZipFile(out, "w", ZIP_DEFLATED) as archive:
        with archive.open(_entry("README.txt", at), "w") as entry:
            entry.write(_readme(user, held, at).encode())
        tables: dict[str, IO[str]] = {}
        with archive.open(_entry("account.json", at), "w", force_zip64=True) as entry:
            entry.write(_begin(at))
            for part in held:
                table: IO[str] = stack.enter_context(
                    TemporaryFile("w+", encoding="utf-8", errors="replace", newline="")
                )
                tables[part.name] = table
                yield from _write_part(part, user, entry, Table(table))
            entry.write(b"\n}\n")
        for name, waiting in tables.items():
            yield from _copy(waiting, archive, _entry(f"{name}.csv", at))


def _write_part(part: Part, user: User, entry: IO[bytes], table: Table) -> Iterator[None]:
    begin, end = ("", "") if part.is_one else ("[", "\n  ]")
    entry.write(f",\n  {json.dumps(part.name)}: {begin}".encode())
    for number, row in enumerate(part.rows(user)):
        between = "" if part.is_one else ("\n    " if number == 0 else ",\n    ")
        entry.write(f"{between}{_json(row)}".encode(errors="replace"))
        table.add(row)
        if number % STEP == STEP - 1:
            yield
    entry.write(end.encode())
    yield


def _copy(table: IO[str], archive: ZipFile, name: ZipInfo) -> Iterator[None]:
    """Put what waits in *table* into the zip; a list without a row has no file."""
    table.seek(0)
    if not (chunk := table.read(_CHUNK)):
        return
    with archive.open(name, "w", force_zip64=True) as entry:
        while chunk:
            entry.write(chunk.encode(errors="replace"))
            chunk = table.read(_CHUNK)
            yield


def _begin(at: datetime) -> bytes:
    about = {"format": FORMAT, "made_at": at, "site": site_settings().BASE_URL}
    return f'{{\n  "about": {_json(about)}'.encode()


def _readme(user: User, held: list[Part], at: datetime) -> str:
    site = site_settings()
    told = {"user": user, "parts": held, "at": at, "site_name": site.SITE_NAME, "base_url": site.BASE_URL}
    return render_to_string("accounts/export/README.txt", told | {"support_url": site.SUPPORT_URL})


def _entry(name: str, at: datetime) -> ZipInfo:
    moment = at.astimezone(UTC)
    entry = ZipInfo(name, (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second))
    entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o600 << 16
    return entry


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
