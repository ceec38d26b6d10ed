from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from accounts.management import erase_due, take_in

_ACTS = {act.NAME: act for act in (take_in, erase_due)}


class Command(BaseCommand):
    help = "Take in the accounts of another system, with the hashes of their passwords; erase those that are due."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        for name, act in _ACTS.items():
            act.add_arguments(acts.add_parser(name, help=act.HELP))

    def handle(self, *args: Any, **options: Any) -> None:
        _ACTS[options["act"]].handle(self, options)
