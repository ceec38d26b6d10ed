from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts import people
from accounts.access import STAFF, AllowedTo
from accounts.api.shapes import staff_user_shape
from accounts.api.staff_serializers import ReasonSerializer
from accounts.models import User
from gatehouse.api import StrictAPIView
from gatehouse.client import client_of
from sessions_app import access


class StaffView(StrictAPIView):
    """The base of views by which staff look after accounts."""

    authentication_classes = STAFF
    needs: ClassVar[Mapping[str, str]] = {}  # the permission that each method asks for
    is_dangerous = False  # whether it asks for a fresh proof of identity besides

    def get_permissions(self) -> list[BasePermission]:
        method = "GET" if self.request.method == "HEAD" else str(self.request.method)
        asked: list[BasePermission] = [AllowedTo.of(self.needs[method])()]
        return [*asked, access.FreshUser()] if self.is_dangerous else asked

    def found(self, request: Request, user_id: UUID) -> User:
        """Return an account to look at; raises not_found."""
        return people.find(viewer=request.user, user_id=user_id, client=client_of(request))

    def act(self, request: Request, user_id: UUID) -> dict[str, Any]:
        """Return whom an act is done to, by whom and from where, as services ask; raises not_found."""
        by, client = access.principal_of(request).user, client_of(request)
        return {"target": people.concerned(actor=by, user_id=user_id, client=client), "by": by, "client": client}

    def reason(self, request: Request) -> str:
        """Return the reason, from the body or, where that is empty, from the query; raises validation_failed."""
        in_query: str | None = self.query.get("reason")
        if in_query is not None and not request.data:
            return in_query
        return str(self.body(request, ReasonSerializer)["reason"])

    def shape(self, request: Request, user: User) -> dict[str, Any]:
        """Return *user* as whoever asks may see it."""
        [told] = people.described([user])
        return staff_user_shape(told, request.user)
