"""The cookie of a browser that the link of a mail let past a lockout (accounts/services/lockouts.py).

It proves nothing of who somebody is: it says which count the tries of this browser go to, and goes with that count.
"""

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.conf import app_settings
from gatehouse.conf import app_settings as site_settings
from sessions_app.cookies import cookie_name

_LONGEST = 200  # characters; what is longer is not ours


def read_unlock(request: HttpRequest) -> str | None:
    """Return what the browser of *request* was given."""
    given = request.COOKIES.get(cookie_name("unlock")) or ""
    return given if 0 < len(given) <= _LONGEST else None


def set_unlock(response: HttpResponseBase, token: str) -> None:
    """Let the browser past, for as long as that holds."""
    response.set_cookie(
        cookie_name("unlock"),
        token,
        max_age=int(app_settings().UNLOCK_TTL.total_seconds()),
        path="/",
        secure=site_settings().secure,
        httponly=True,
        samesite="Strict",
    )
