"""What is done to an account: each with a reason, and a fresh proof of identity of whoever does it."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.staff_serializers import ReasonSerializer, RoleSerializer, StaffUserShape
from accounts.api.views.staff import StaffView
from accounts.models import User
from accounts.services import credentials, lifecycle, ranks
from gatehouse.documents import problems

_ANSWERS: dict[Any, Any] = {
    200: StaffUserShape,
    **problems(400, 401, 403, 404, 405, 406, 409, 413, 415, 429, 500, 503),
}


class ActionView(StaffView):
    """The base of views that do one thing to an account, and show it as it is then."""

    is_dangerous = True
    service: ClassVar[Callable[..., User]]

    @extend_schema(request=ReasonSerializer, responses=_ANSWERS)
    def post(self, request: Request, user_id: UUID) -> Response:
        asked = self.body(request, ReasonSerializer)
        return Response(self.shape(request, type(self).service(**self.act(request, user_id), **asked)))


class DisableView(ActionView):
    """Keep somebody out: every session ends at once."""

    needs: ClassVar = {"POST": "users.disable"}
    service = staticmethod(lifecycle.disable)


class EnableView(ActionView):
    """Let somebody who was disabled in again."""

    needs: ClassVar = {"POST": "users.enable"}
    service = staticmethod(lifecycle.enable)


class UnlockView(ActionView):
    """Lift the lockout of an account, and forget the failed sign-ins."""

    needs: ClassVar = {"POST": "users.unlock"}
    service = staticmethod(lifecycle.unlock)


class ForceResetView(ActionView):
    """Put a password out of force: every session ends, and a mailed link sets a new one."""

    needs: ClassVar = {"POST": "users.reset"}
    service = staticmethod(credentials.force_reset)


class ResetFactorsView(ActionView):
    """Take authenticator apps and recovery codes away: every session ends, and staff are mailed a link to enrol."""

    needs: ClassVar = {"POST": "users.reset"}
    service = staticmethod(credentials.reset_factors)


class RoleView(StaffView):
    """Give somebody another role, from the very next request on."""

    needs: ClassVar = {"PATCH": "users.role"}
    is_dangerous = True

    @extend_schema(request=RoleSerializer, responses=_ANSWERS)
    def patch(self, request: Request, user_id: UUID) -> Response:
        asked = self.body(request, RoleSerializer)
        return Response(self.shape(request, ranks.change_role(**self.act(request, user_id), **asked)))
