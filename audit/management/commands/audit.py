from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError

from audit.management import (
    archive,
    check_proof,
    checkpoint,
    count,
    keys,
    prove,
    report,
    seal,
    search,
    stats,
    verify,
    webhooks,
)
from audit.management.exits import FAILED, TRY_AGAIN

_PARTS = (seal, verify, prove, check_proof, checkpoint, archive, keys, count, search, stats, report, webhooks)
_ACTS = {act.NAME: act for act in _PARTS}


class Command(BaseCommand):
    help = "Seal the audit trail, verify it, prove an event of it, publish where it stands, archive, search, count it."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        for name, act in _ACTS.items():
            act.add_arguments(acts.add_parser(name, help=act.HELP, description=act.HELP))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _ACTS[options["act"]].handle(self, options)
        except ImproperlyConfigured as error:
            raise CommandError(str(error), returncode=FAILED) from None
        except (OperationalError, InterfaceError) as error:
            raise CommandError(f"The database does not answer: {error}", returncode=TRY_AGAIN) from None
