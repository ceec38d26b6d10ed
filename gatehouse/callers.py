"""How often a minute each kind of caller may ask the API: nobody known, guests, users and staff.

1. Somebody who is signed in is counted by the account, whatever the network; nobody known by the network.
2. It is counted in the cache or, where there is none, by each process for itself, so that it costs a request no query.
   So it is approximate, and holds down load; the limits of what can be guessed are exact, and in the database.
3. Another service is counted by its key where that is recognised, and not here.
"""

from typing import Any

from . import limits
from .client import client_of
from .conf import app_settings


def count(request: Any) -> None:
    """Count *request*, whose caller is known by now, against the limit of such callers; raises LimitReached."""
    user, conf = request.user, app_settings()
    if not user.is_authenticated:
        if request.auth is None:
            limits.take_own(request, ("role_anonymous", client_of(request).network), conf.LIMIT_ANONYMOUS)
        return
    kind = getattr(user, "limit_kind", "staff" if getattr(user, "is_staff", False) else "user")
    numbers = {"guest": conf.LIMIT_GUEST, "user": conf.LIMIT_USER, "staff": conf.LIMIT_STAFF}
    limits.take_own(request, (f"role_{kind}", str(user.pk)), numbers[kind])
