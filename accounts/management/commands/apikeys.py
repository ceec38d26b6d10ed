import json
import re
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import ApiKey
from accounts.roles import Scope
from accounts.services import api_keys
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from sessions_app.shapes import moment

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_ROW = "{:<16}  {:<24}  {:<8}  {:<20}  {:<20}  {}"
_HEAD = ("key", "name", "status", "expires", "last used", "scopes")


class Command(BaseCommand):
    help = "Make, list, change and revoke the keys by which other services call the API. A key is printed once."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        create = acts.add_parser("create", help="Make a key, and print it: the only time that it is shown.")
        create.add_argument("--name", required=True, help="Of the service; the trail shows it.")
        _add_scopes(create)
        create.add_argument("--expires", default="90d", help="When it ends: 12h, 90d; 366d at most. Default: 90d.")
        create.add_argument("--limit", type=int, help="Requests a minute. Default: that of the table of limits.")
        listing = acts.add_parser("list", help="Every key, oldest first: what it may do, until when, when last used.")
        listing.add_argument("--format", choices=("text", "json"), default="text")
        scope = acts.add_parser("scope", help="Let a key do what is named here, and nothing else.")
        _add_scopes(scope)
        revoke = acts.add_parser("revoke", help="Have a key open nothing any more, for good.")
        for act in (scope, revoke):
            act.add_argument("key", help="What the list shows of it: its first 16 characters. A whole key will do.")
            act.add_argument("--reason", required=True, help="Why; it is kept in the trail.")

    def handle(self, *args: Any, **options: Any) -> None:
        who = {"client": Client.local("apikeys"), "actor": Actor.command()}
        try:
            getattr(self, f"_{options['act']}")(options, who)
        except Problem as problem:
            said = "; ".join(str(error.detail) for error in problem.errors) or str(problem.detail)
            raise CommandError(said) from None

    def _create(self, options: dict[str, Any], who: dict[str, Any]) -> None:
        row, text = api_keys.create(
            name=options["name"],
            scopes=options["scopes"],
            expires_in=_duration(options["expires"]),
            limit_per_minute=options["limit"],
            **who,
        )
        self.stdout.write(text)
        self.stderr.write(f"{row.public_id} is for {row.name} until {moment(row.expires_at)}. It is not shown again.")

    def _list(self, options: dict[str, Any], _who: dict[str, Any]) -> None:
        now, rows = timezone.now(), ApiKey.objects.order_by("created_at", "pk")
        if options["format"] == "json":
            self.stdout.write(json.dumps([_shape(row, row.status(now)) for row in rows], ensure_ascii=False))
            return
        self.stdout.write(_ROW.format(*_HEAD))
        for row in rows:
            used = moment(row.last_used_at) if row.last_used_at else "-"
            cells = (row.public_id, row.name[:24], row.status(now), moment(row.expires_at), used, " ".join(row.scopes))
            self.stdout.write(_ROW.format(*cells))

    def _scope(self, options: dict[str, Any], who: dict[str, Any]) -> None:
        row = api_keys.change_scopes(
            public_id=options["key"], scopes=options["scopes"], reason=options["reason"], **who
        )
        self.stdout.write(f"{row.public_id} has from now on: {' '.join(row.scopes)}.")

    def _revoke(self, options: dict[str, Any], who: dict[str, Any]) -> None:
        row = api_keys.revoke(public_id=options["key"], reason=options["reason"], **who)
        self.stdout.write(f"{row.public_id} opens nothing any more.")


def _add_scopes(parser: CommandParser) -> None:
    says = f"What it may do; may be repeated: {', '.join(Scope.values)}."
    parser.add_argument("--scope", dest="scopes", action="append", required=True, metavar="SCOPE", help=says)


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,6})([mhd])", text)
    if found is None:
        raise CommandError("--expires takes a number and a unit, like 12h or 90d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _shape(row: ApiKey, status: str) -> dict[str, Any]:
    times = ("created_at", "expires_at", "last_used_at", "revoked_at")
    texts = ("name", "public_id", "scopes", "limit_per_minute", "created_by", "revoked_by", "revoked_reason")
    told = {name: getattr(row, name) for name in texts}
    told |= {name: moment(at) if (at := getattr(row, name)) else None for name in times}
    return {"id": str(row.pk), "status": status, **told}
