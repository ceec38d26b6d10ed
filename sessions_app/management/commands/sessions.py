import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from gatehouse.stopping import STOPPED, stoppable
from sessions_app.selection import KINDS, Selection, Unselectable, select
from sessions_app.services.many import MassEnd, count_live
from sessions_app.shapes import moment

_ROW = "{:<36}  {:<32}  {:<39}  {:<5}  {:<20}  {:<20}  {:<20}"
_HEAD = ("id", "device", "ip", "door", "started", "last used", "expires")


class Command(BaseCommand):
    help = "List the live sessions of an account, or end sessions. What ends opens nothing at its next request."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        listing = acts.add_parser("list", help="The live sessions of an account, newest first.")
        listing.add_argument("--user", required=True, help="An id or, where the project knows it, an address.")
        revoke = acts.add_parser("revoke", help="End sessions; each leaves its row in the trail, and so does this.")
        which = revoke.add_mutually_exclusive_group(required=True)
        which.add_argument("--user", help="All of an account: its id or, where the project knows it, its address.")
        which.add_argument("--session", help="One, by its id.")
        which.add_argument("--ip", help="All that were last used from an address, or a network: 192.0.2.0/24.")
        which.add_argument("--role", help="All of the accounts in a role.")
        which.add_argument("--all", action="store_true", help="All there are.")
        revoke.add_argument("--reason", required=True, help="Why; it is kept in the trail.")
        revoke.add_argument("--dry-run", action="store_true", help="Say how many would end, and end none.")
        revoke.add_argument("--yes", action="store_true", help="Do not ask before --all.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["act"] == "list":
                self._list(select("user", options["user"]))
            else:
                self._revoke(options)
        except Unselectable as fault:
            raise CommandError(str(fault)) from None
        except Problem as problem:
            said = "; ".join(str(error.detail) for error in problem.errors) or str(problem.detail)
            raise CommandError(said) from None

    def _list(self, selection: Selection) -> None:
        self.stdout.write(_ROW.format(*_HEAD).rstrip())
        for one in selection.rows.live(timezone.now()).newest_first():
            times = [moment(time) for time in (one.created_at, one.last_used_at, one.expires_at)]
            self.stdout.write(_ROW.format(str(one.pk), one.device_name[:32], one.ip or "-", one.door, *times).rstrip())

    def _revoke(self, options: dict[str, Any]) -> None:
        kind = next(kind for kind in KINDS if options[kind])
        selection = select(kind, options[kind] if kind != "all" else "")
        end = MassEnd(selection, reason=options["reason"], client=Client.local("sessions"), actor=Actor.command())
        if options["dry_run"]:
            self.stdout.write(f"Sessions that would end: {count_live(selection)}.")
            return
        if kind == "all" and not options["yes"]:
            self._ask(selection)
        whole = True
        with stoppable() as asked:
            try:
                for _ended in end.steps():
                    if asked():
                        whole = False
                        break
            finally:
                end.conclude()
                self.stdout.write(f"Sessions ended: {end.ended}.")
        if not whole:
            self.stdout.write("Stopped. The same command goes on from here.")
            sys.exit(STOPPED)

    def _ask(self, selection: Selection) -> None:
        """Have a person confirm the end of all sessions; a script is not asked."""
        if not sys.stdin.isatty():
            return
        answer = input(f"This signs out everybody: {count_live(selection)} sessions. Type yes to go on: ")
        if answer.strip().lower() != "yes":
            raise CommandError("Nothing was ended.")
