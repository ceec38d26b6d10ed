from typing import ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.staff_serializers import (
    ReasonQuerySerializer,
    ReasonSerializer,
    SessionsQuerySerializer,
)
from accounts.api.views.staff import StaffView
from accounts.services import lifecycle
from gatehouse import lists
from gatehouse.cursors import page_of
from gatehouse.documents import problems
from gatehouse.problems import Problem
from sessions_app import access
from sessions_app.documents import RevokedSerializer, SessionListSerializer
from sessions_app.models import Session
from sessions_app.shapes import session_shape

_READS = problems(400, 401, 403, 404, 405, 406, 429, 500, 503)
_WRITES = {**_READS, **problems(409, 413, 415)}


class SessionsView(StaffView):
    """List where an account is signed in, the newest first; or where it was, with ``ended=true``."""

    needs: ClassVar = {"GET": "users.sessions.read"}
    query_serializer = SessionsQuerySerializer

    @extend_schema(parameters=[SessionsQuerySerializer], responses={200: SessionListSerializer, **_READS})
    def get(self, request: Request, user_id: UUID) -> Response:
        asked, now = self.query, timezone.now()
        of_user = Session.objects.for_user(self.found(request, user_id))
        rows = of_user.over(now) if asked["ended"] == "true" else of_user.live(now)
        own = access.session_of(request).pk
        return lists.answer(
            request,
            lambda: page_of(rows, by="created_at", limit=asked["limit"], cursor=asked.get("cursor")),
            lambda one: session_shape(one, current_id=own, now=now),
            {"ended": asked["ended"], "limit": str(asked["limit"])},
        )


class SessionView(StaffView):
    """End one session of an account, at once."""

    needs: ClassVar = {"DELETE": "users.sessions.end"}
    query_serializer = ReasonQuerySerializer

    @extend_schema(request=ReasonSerializer, parameters=[ReasonQuerySerializer], responses={204: None, **_WRITES})
    def delete(self, request: Request, user_id: UUID, session_id: UUID) -> Response:
        reason, act = self.reason(request), self.act(request, user_id)
        only = Session.objects.for_user(act["target"]).filter(pk=session_id).first()
        if only is None:
            raise Problem("not_found")
        lifecycle.end_sessions(only=only, reason=reason, **act)
        return Response(status=status.HTTP_204_NO_CONTENT)


class RevokeAllView(StaffView):
    """End every session of an account, at once."""

    needs: ClassVar = {"POST": "users.sessions.end"}

    @extend_schema(request=ReasonSerializer, responses={200: RevokedSerializer, **_WRITES})
    def post(self, request: Request, user_id: UUID) -> Response:
        asked = self.body(request, ReasonSerializer)
        return Response({"revoked": lifecycle.end_sessions(**self.act(request, user_id), **asked)})
