"""``manage.py audit search``: the events that pass some filters, for people or for programs."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit import queries
from audit.api.shapes import told
from audit.management.times import add_times
from audit.models import Event
from gatehouse.events import EventType

NAME = "search"
HELP = "Show the newest events that pass every filter given."
_LIMIT = 50
_ROW = "{:>10}  {:<19}  {:<4}  {:<32}  {:<36}  {}"
_COLUMNS = ("id", "when (UTC)", "ok", "action", "account", "by")
_GIVEN = ("email", "ip", "resource", "session", "request_id", "reason", "since", "until", "q")


def add_arguments(parser: CommandParser) -> None:
    """Say what the sub-command takes."""
    parser.add_argument("q", nargs="?", help="Exactly an address, or the id of an event, a request or a session.")
    parser.add_argument("--type", action="append", default=[], choices=[str(kind) for kind in EventType])
    parser.add_argument("--action", action="append", default=[], help="May come again, like --type and --user.")
    parser.add_argument("--user", action="append", default=[], metavar="ID", help="Of the account, or who acted.")
    parser.add_argument("--as", dest="as_role", choices=("actor", "subject"), help="In which part --user is meant.")
    parser.add_argument("--email", help="As it was typed.")
    parser.add_argument("--ip", help="An address, or a /24 or /16 of IPv4, a /64 or /48 of IPv6.")
    parser.add_argument("--resource", help="What it begins with.")
    parser.add_argument("--session", metavar="ID")
    parser.add_argument("--request-id", metavar="ID")
    parser.add_argument("--reason", help="Why it failed, such as bad_credentials.")
    outcome = parser.add_mutually_exclusive_group()
    outcome.add_argument("--succeeded", dest="success", action="store_true", default=None)
    outcome.add_argument("--failed", dest="success", action="store_false")
    add_times(parser)
    parser.add_argument("--limit", type=int, default=_LIMIT, help="How many at most, 50 by default; 0 for all.")
    parser.add_argument("--private", action="store_true", help="Show addresses, networks, agents and details, too.")
    parser.add_argument("--json", action="store_true", help="A line of JSON an event, in the shape of the API.")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Show the events. What tells of people stays out of terminals and logs unless it is asked for."""
    if options["limit"] < 0:
        raise CommandError("--limit takes a number, 0 or more.", returncode=2)
    filters = {name: options[name] for name in _GIVEN if options[name] is not None}
    try:
        rows = queries.events(
            types=options["type"],
            actions=options["action"],
            users=options["user"],
            as_role=options["as_role"],
            success=options["success"],
            **filters,
        )
    except queries.FilterError as error:
        raise CommandError(str(error), returncode=2) from None
    found = rows[: options["limit"]] if options["limit"] else rows.iterator()
    for line in (_lines if options["json"] else _table)(found, private=options["private"]):
        command.stdout.write(line)
    if options["q"] and (file := queries.archived_in(options["q"])):
        command.stderr.write(f"Event {options['q']} lies in the archive, in {file}: audit prove --archive shows it.")


def _lines(rows: Iterable[Event], *, private: bool) -> Iterator[str]:
    for row in rows:
        yield json.dumps(told(row, private=private), ensure_ascii=False)


def _table(rows: Iterable[Event], *, private: bool) -> Iterator[str]:
    yield _ROW.format(*_COLUMNS) + ("  address, from" if private else "")
    for row in rows:
        by = row.actor_label or row.actor_type
        outcome = "yes" if row.success else "no"
        cells = (row.pk, f"{row.timestamp:%Y-%m-%d %H:%M:%S}", outcome, row.action, row.user_id or "-", by)
        text = _ROW.format(*cells) + (f"  ({row.failure_reason})" if row.failure_reason else "")
        yield _printable(text + (f"  {row.email or '-'}, {row.ip_address or '-'}" if private else ""))


def _printable(text: str) -> str:
    """Return *text* as a terminal may show it: what was typed may hold what moves its cursor."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
