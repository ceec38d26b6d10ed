"""What a browser holds between two pages, before anybody is signed in.

One key of Django's session: the address that was typed, the link that was opened, the challenge that waits.
1. A link's token moves here from the address bar, so that it is in no history and no Referer (ASVS 14.2.1), and it is
   encrypted, since whoever reads the session table must find nothing that opens anything (ASVS 11.4). The session gets
   a new key: who planted the old one in this browser would find the link in his own (ASVS 7.2.4).
2. The half-done sign-in is the challenge's row; only its id is here.
"""

import re
from datetime import datetime, timedelta
from uuid import UUID

from django.http import HttpRequest

from gatehouse import encryption
from sessions_app import browser

_KEY = "pending"
_LIFE = timedelta(hours=1)  # of what a browser holds before anybody is signed in
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_CONTEXT = "pages.pending.link"


def begin(request: HttpRequest, challenge_id: UUID) -> None:
    """Hold on to a half-done sign-in, under a new session key (ASVS 7.2.4)."""
    request.session.cycle_key()
    _put(request, "challenge", str(challenge_id))


def challenge_of(request: HttpRequest) -> UUID | None:
    """Return the challenge that this browser has to answer."""
    value = _get(request, "challenge")
    return UUID(value) if value else None


def hold_link(request: HttpRequest, token: str) -> None:
    """Take a link's token out of the address bar; what cannot be one is not kept."""
    if not _TOKEN.fullmatch(token):
        clear(request)
        return
    if browser.sid_of(request) is None:  # whoever is signed in has a key that was drawn then
        request.session.cycle_key()
    _put(request, "link", encryption.encrypt(token, _CONTEXT))


def link_of(request: HttpRequest) -> str | None:
    """Return the token of the link that was opened last."""
    value = _get(request, "link")
    try:
        return encryption.decrypt(value, _CONTEXT) if value else None
    except encryption.DecryptionFailed:  # keys were replaced meanwhile: the link in the mail still works
        return None


def mailed(request: HttpRequest, email: str, now: datetime) -> None:
    """Remember which address a mail was sent to, and when."""
    _put(request, "email", email)
    _put(request, "mailed_at", now.isoformat())


def address_of(request: HttpRequest) -> str:
    """Return the address that a mail was sent to."""
    return _get(request, "email") or ""


def wait_of(request: HttpRequest, pause: timedelta, now: datetime) -> int:
    """Return in how many seconds another mail may be asked for."""
    sent = _get(request, "mailed_at")
    if not sent:
        return 0
    return max(0, round((datetime.fromisoformat(sent) + pause - now).total_seconds()))


def clear(request: HttpRequest, *names: str) -> None:
    """Forget *names*, or everything."""
    held = dict(request.session.get(_KEY, {})) if names else {}
    for name in names:
        held.pop(name, None)
    if held:
        request.session[_KEY] = held
    elif _KEY in request.session:
        del request.session[_KEY]


def _get(request: HttpRequest, name: str) -> str | None:
    held = request.session.get(_KEY)
    value = held.get(name) if isinstance(held, dict) else None
    return value if isinstance(value, str) else None


def _put(request: HttpRequest, name: str, value: str) -> None:
    request.session[_KEY] = {**request.session.get(_KEY, {}), name: value}
    if browser.sid_of(request) is None:  # whoever is signed in stays so as long as the session row says
        request.session.set_expiry(_LIFE)
