from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.permissions import ProvedUser
from accounts.api.serializers import DeletionShape, StatusSerializer, TokenSerializer
from accounts.api.views.own import OwnView
from accounts.api.views.registration import PublicView
from accounts.services import deletion
from gatehouse import limits
from gatehouse.client import client_of
from gatehouse.documents import problems
from sessions_app import access
from sessions_app.shapes import moment

_PROBLEMS = problems(400, 401, 403, 405, 406, 413, 415, 429, 500, 503)


class DeletionView(OwnView):
    """Have one's own account erased after a while, with the app where one is set up; or keep it after all."""

    def get_permissions(self) -> list[Any]:
        return [ProvedUser() if self.request.method == "POST" else access.FreshUser()]

    @extend_schema(request=None, responses={202: DeletionShape, **_PROBLEMS, **problems(409)})
    def post(self, request: Request) -> Response:
        self.body(request)
        at = deletion.request_deletion(**self.count(request))
        return Response({"erases_at": moment(at)}, status=status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={204: None, **_PROBLEMS, **problems(409)})
    def delete(self, request: Request) -> Response:
        self.body(request)
        deletion.undo_deletion(**self.count(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class UndoView(PublicView):
    """Keep an account after all, by the token of the mail about its deletion."""

    @extend_schema(
        request=TokenSerializer, responses={200: StatusSerializer, **problems(400, 405, 406, 413, 415, 429, 500, 503)}
    )
    def post(self, request: Request) -> Response:
        asked = self.body(request, TokenSerializer)
        client = client_of(request)
        limits.take(request, ("link_ip", client.network))
        deletion.undo_by_link(token=asked["token"], client=client)
        return Response({"status": "done"})
