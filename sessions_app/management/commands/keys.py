from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem
from sessions_app import keys
from sessions_app.conf import app_settings
from sessions_app.models import Algorithm

_ROW = "{:<18} {:<9} {:<9} {:<11} {:<17} {:>8}"


class Command(BaseCommand):
    help = "List, make, activate and retire the keys that sign tokens. No key itself is ever shown."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        acts.add_parser("list", help="Every key: what it is good for, and how many live sessions hang on it.")
        generate = acts.add_parser("generate", help="Make a key.")
        generate.add_argument("--algorithm", choices=Algorithm.values, help="Default: SIGNING_ALGORITHM.")
        generate.add_argument("--activate", action="store_true", help="Sign with it from now on.")
        generate.add_argument(
            "--if-missing",
            action="store_true",
            help="Make and activate one of SIGNING_ALGORITHM, unless such a key signs already: for scripts that start.",
        )
        activate = acts.add_parser("activate", help="Sign with this key from now on; the others still verify.")
        activate.add_argument("kid")
        retire = acts.add_parser("retire", help="Believe this key no more, for good.")
        retire.add_argument("kid")
        retire.add_argument(
            "--end-sessions", action="store_true", help="End the sessions whose refresh tokens it signed."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._do(options, {"client": Client.local("keys"), "actor": Actor.command()})
        except Problem as problem:
            raise CommandError(str(problem.detail)) from None

    def _do(self, options: dict[str, Any], who: dict[str, Any]) -> None:
        match options["act"]:
            case "list":
                self._list()
            case "generate" if options["if_missing"]:
                self._generate_if_missing(options, who)
            case "generate":
                algorithm = options["algorithm"] or app_settings().SIGNING_ALGORITHM
                kid = keys.generate(algorithm=algorithm, activate=options["activate"], **who)
                does = "It signs from now on." if options["activate"] else f"`keys activate {kid}` has it sign."
                self.stdout.write(f"{kid} was made for {algorithm}. {does}")
            case "activate":
                keys.activate(kid=options["kid"], **who)
                self.stdout.write(f"{options['kid']} signs from now on.")
            case "retire":
                ended = keys.retire(kid=options["kid"], end_sessions=options["end_sessions"], **who)
                self.stdout.write(f"{options['kid']} is not believed any more. Sessions ended: {ended}.")

    def _list(self) -> None:
        self.stdout.write(_ROW.format("kid", "algorithm", "from", "state", "created", "sessions"))
        for key in keys.listed():
            made = f"{key.created_at:%Y-%m-%d %H:%M}" if key.created_at else "-"
            self.stdout.write(_ROW.format(key.kid, key.algorithm, key.place, key.state, made, key.sessions))

    def _generate_if_missing(self, options: dict[str, Any], who: dict[str, Any]) -> None:
        if options["algorithm"] or options["activate"]:
            raise CommandError("--if-missing makes and activates a key of SIGNING_ALGORITHM: leave the others out.")
        kid = keys.generate_if_missing(**who)
        if kid is not None and options["verbosity"]:
            self.stdout.write(f"{kid} was made for {app_settings().SIGNING_ALGORITHM} and signs from now on.")
