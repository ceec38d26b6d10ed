"""Whether somebody who signed in has yet to agree to the terms; the browser's session remembers that they are asked."""

from django.http import HttpRequest

from accounts.pages.steps import principal_of
from accounts.services import consents
from sessions_app.models import Door

_KEY = "asks_terms"


def begin(request: HttpRequest) -> None:
    """Ask whoever has just signed in, where they have yet to agree."""
    found = principal_of(request)
    if found is not None and consents.are_due(found.user):
        request.session[_KEY] = True


def is_waiting(request: HttpRequest) -> bool:
    """Tell whether the pages of this browser wait for an answer; one given elsewhere counts."""
    found = principal_of(request)
    if found is None or found.session.door != Door.PAGE or not request.session.get(_KEY):
        return False
    if consents.are_due(found.user):
        return True
    del request.session[_KEY]
    return False
