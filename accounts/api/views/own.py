from typing import Any

from rest_framework.request import Request

from gatehouse import limits
from gatehouse.api import StrictAPIView
from gatehouse.client import client_of
from sessions_app import access, browser
from sessions_app.models import Door
from sessions_app.principal import Principal


class OwnView(StrictAPIView):
    """The base of views about the account of whoever asks."""

    authentication_classes = access.AUTHENTICATION
    permission_classes: tuple[Any, ...] = (access.RequiredUser,)

    @property
    def principal(self) -> Principal:
        return access.principal_of(self.request)

    def count(self, request: Request, limit: str = "acts_account") -> dict[str, Any]:
        """Count an act, and return who does it, as services ask."""
        principal = self.principal
        limits.take(request, (limit, str(principal.user.pk)))
        return {"user": principal.user, "session": principal.session, "client": client_of(request)}

    def renew_key(self, request: Request) -> None:
        """Give a browser, whose session goes on, a new key."""
        if self.principal.session.door != Door.API:
            browser.renew_key(request._request)
