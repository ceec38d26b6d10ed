from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.conf import app_settings
from accounts.roles import STAFF_ROLES, Role
from accounts.services import enrolment
from gatehouse.client import Client
from gatehouse.events import Actor
from gatehouse.problems import Problem


class Command(BaseCommand):
    help = "Make a staff account and print the address at which its owner sets a password and an authenticator app."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="Whose account it is.")
        parser.add_argument(
            "--role",
            default=Role.SUPER_ADMIN.value,
            choices=[role.value for role in STAFF_ROLES],
            help="Default: super_admin.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            invitation = enrolment.invite_staff(
                email=options["email"],
                role=Role(options["role"]),
                actor=Actor.command(),
                client=Client.local("createadmin"),
                send=False,
            )
        except Problem as problem:
            said = "; ".join(str(error.detail) for error in problem.errors) or str(problem.detail)
            raise CommandError(said) from None
        hours = int(app_settings().ENROLMENT_TTL.total_seconds() // 3600)
        self.stdout.write(f"{options['email']} can set a password and an authenticator app here, within {hours} hours:")
        self.stdout.write(invitation.url)
