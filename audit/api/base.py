from typing import Any, ClassVar

from rest_framework.request import Request

from audit import access
from gatehouse.api import StrictAPIView
from gatehouse.trail import TrailScope

_WRITE = "audit.write"


class TrailView(StrictAPIView):
    """The base of views of the trail: ``scope`` says what whoever asks may see of it by ``permission``."""

    takes_api_keys = True
    permission: ClassVar[str] = "audit.read"
    scope: TrailScope

    def get_authenticators(self) -> list[Any]:
        return access.authenticators() or super().get_authenticators()

    def check_permissions(self, request: Request) -> None:
        self.scope = access.scope_of(request, _WRITE if request.method == "POST" else self.permission)
