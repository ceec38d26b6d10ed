from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import people
from accounts.api.shapes import staff_user_shape
from accounts.api.staff_serializers import (
    InvitationSerializer,
    NameSerializer,
    ReasonQuerySerializer,
    ReasonSerializer,
    StaffUserShape,
    UserListShape,
    UsersQuerySerializer,
)
from accounts.api.views.staff import StaffView
from accounts.models import User
from accounts.people import Described
from accounts.services import invitations, lifecycle, profile
from gatehouse import lists
from gatehouse.client import client_of
from gatehouse.cursors import Page
from gatehouse.documents import problems
from sessions_app import access

_READS = problems(400, 401, 403, 405, 406, 429, 500, 503)
_WRITES = {**_READS, **problems(404, 409, 413, 415)}


class UsersView(StaffView):
    """List accounts, the newest first, to moderators those below them with masked addresses; or invite somebody."""

    needs: ClassVar = {"GET": "users.read", "POST": "users.create"}

    @property
    def query_serializer(self) -> Any:  # type: ignore[override]  # a POST takes nothing in its query
        """What the query may hold."""
        return None if self.request.method == "POST" else UsersQuerySerializer

    @extend_schema(
        operation_id="users_list", parameters=[UsersQuerySerializer], responses={200: UserListShape, **_READS}
    )
    def get(self, request: Request) -> Response:
        told: dict[Any, Described] = {}

        def page() -> Page[User]:
            found = people.page(viewer=request.user, **self.query)
            told.update({one.user.pk: one for one in people.described(found.rows)})
            return found

        asked = {name: str(value) for name, value in self.query.items() if name != "cursor"}
        return lists.answer(request, page, lambda user: staff_user_shape(told[user.pk], request.user), asked)

    @extend_schema(request=InvitationSerializer, responses={201: StaffUserShape, **_READS, **problems(409, 413, 415)})
    def post(self, request: Request) -> Response:
        asked = self.body(request, InvitationSerializer)
        by = access.principal_of(request).user
        user = invitations.invite(by=by, client=client_of(request), **asked)
        return Response(self.shape(request, user), status=status.HTTP_201_CREATED)


class UserView(StaffView):
    """Show an account, change the name it goes by, or delete it softly: its sessions end at once."""

    needs: ClassVar = {"GET": "users.read", "PATCH": "users.change", "DELETE": "users.delete"}

    @property
    def query_serializer(self) -> Any:  # type: ignore[override]  # only a DELETE takes something in its query
        """What the query may hold."""
        return ReasonQuerySerializer if self.request.method == "DELETE" else None

    @extend_schema(responses={200: StaffUserShape, **_READS, **problems(404)})
    def get(self, request: Request, user_id: UUID) -> Response:
        return Response(self.shape(request, self.found(request, user_id)))

    @extend_schema(request=NameSerializer, responses={200: StaffUserShape, **_WRITES})
    def patch(self, request: Request, user_id: UUID) -> Response:
        asked = self.body(request, NameSerializer)
        act = self.act(request, user_id)
        return Response(self.shape(request, profile.rename(name=asked.get("display_name"), **act)))

    @extend_schema(request=ReasonSerializer, parameters=[ReasonQuerySerializer], responses={204: None, **_WRITES})
    def delete(self, request: Request, user_id: UUID) -> Response:
        reason = self.reason(request)
        lifecycle.delete(reason=reason, **self.act(request, user_id))
        return Response(status=status.HTTP_204_NO_CONTENT)
