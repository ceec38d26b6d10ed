"""``manage.py audit webhooks``: how the sending of events to other systems stands, and trying anew."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from audit import webhooks
from audit.endpoints import targets
from audit.models import Endpoint, Webhook

NAME = "webhooks"
HELP = "Show how many events wait for each system that gets them, and what went wrong; or try what was given up anew."
_ROW = "{:<32}  {:>9}  {:>9}  {:>9}  {:<19}  {}"


def add_arguments(parser: CommandParser) -> None:
    """Say what the sub-command takes."""
    parser.add_argument("do", nargs="?", choices=("status", "retry"), default="status")
    parser.add_argument("--endpoint", metavar="NAME", help="Retry this one alone.")


def handle(command: BaseCommand, options: dict[str, Any]) -> None:
    """Show, or put back. Of what is sent only numbers are shown, and no secret."""
    found = targets()
    if options["endpoint"] and options["endpoint"] not in found:
        raise CommandError(f"No endpoint is called {options['endpoint']}. There is {', '.join(found) or 'none'}.")
    if options["do"] == "retry":
        number = webhooks.put_back(now=timezone.now(), endpoint=options["endpoint"])
        command.stdout.write(f"Events put back: {number}. Every endpoint is tried at once.")
        return
    if not found:
        command.stdout.write("No system gets events: AUDIT_WEBHOOKS names none.")
        return
    command.stdout.write(_ROW.format("endpoint", "waiting", "given up", "delivered", "last (UTC)", "error"))
    stands = Endpoint.objects.in_bulk(list(found))
    for name in found:
        one = stands.get(name) or Endpoint(name=name)
        last = f"{one.delivered_at:%Y-%m-%d %H:%M:%S}" if one.delivered_at else "never"
        lost = Webhook.objects.filter(endpoint=name).exclude(given_up_at=None).count()
        command.stdout.write(_ROW.format(name, webhooks.waiting(name).count(), lost, one.delivered, last, one.error))
