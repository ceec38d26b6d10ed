from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.staff_serializers import GrantSerializer, GrantShape, PermissionQuerySerializer, PermissionSerializer
from accounts.api.views.staff import StaffView
from accounts.services import grants
from gatehouse.documents import problems
from sessions_app.shapes import moment

_ANSWERS = problems(400, 401, 403, 404, 405, 406, 409, 413, 415, 429, 500, 503)


class PermissionsView(StaffView):
    """Give one person one permission for a time, beside what the role gives, or take it back."""

    needs: ClassVar = {"POST": "users.grant", "DELETE": "users.grant"}
    is_dangerous = True

    @property
    def query_serializer(self) -> Any:  # type: ignore[override]  # only a DELETE takes something in its query
        """What the query may hold."""
        return PermissionQuerySerializer if self.request.method == "DELETE" else None

    @extend_schema(request=GrantSerializer, responses={201: GrantShape, **_ANSWERS})
    def post(self, request: Request, user_id: UUID) -> Response:
        asked = self.body(request, GrantSerializer)
        grant = grants.give(**self.act(request, user_id), **asked)
        shape = {"permission": grant.permission, "reason": grant.reason, "created_by": grant.created_by}
        times = {"created_at": moment(grant.created_at), "expires_at": moment(grant.expires_at)}
        return Response(shape | times, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=PermissionSerializer, parameters=[PermissionQuerySerializer], responses={204: None, **_ANSWERS}
    )
    def delete(self, request: Request, user_id: UUID) -> Response:
        asked = self.query if self.query and not request.data else self.body(request, PermissionSerializer)
        if asked.keys() != {"permission", "reason"}:
            asked = self.body(request, PermissionSerializer)  # which says what is missing
        grants.take_back(**self.act(request, user_id), **asked)
        return Response(status=status.HTTP_204_NO_CONTENT)
