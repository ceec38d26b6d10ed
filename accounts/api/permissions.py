"""Who may call a view, where accounts ask for more than sessions do."""

from typing import Any

from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from accounts.services import reauthentication
from sessions_app import access
from sessions_app.principal import Principal


def _with_app(user: "User | AnonymousUser", found: Principal | None) -> None:
    if found is not None and isinstance(user, User) and reauthentication.owes_app(user=user, session=found.session):
        raise reauthentication.app_missing()


class ProvedUser(access.FreshUser):
    """Whoever proved themselves lately, with the app where one is set up; else factor_required (ASVS 7.5.1)."""

    demands: tuple[Any, ...] = (*access.FreshUser.demands, _with_app)
