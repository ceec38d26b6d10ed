from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.serializers import ChangePasswordSerializer, EmailSerializer, ResetSerializer, StatusSerializer
from accounts.api.views.own import OwnView
from accounts.api.views.registration import PublicView
from accounts.services import passwords, resets
from gatehouse import limits
from gatehouse.client import client_of
from gatehouse.documents import problems

_PROBLEMS = problems(400, 405, 406, 413, 415, 429, 500, 503)


class ForgotView(PublicView):
    """Ask for a link that sets a new password; the answer is the same for every address."""

    @extend_schema(request=EmailSerializer, responses={202: StatusSerializer, **_PROBLEMS})
    def post(self, request: Request) -> Response:
        email = self.body(request, EmailSerializer)["email"]
        client = client_of(request)
        limits.take(request, ("resend_ip", client.network))
        resets.request_reset(email=email, client=client)
        return Response({"status": "accepted"}, status=202)


class ResetView(PublicView):
    """Set a new password by the token of the mailed link; every session of the account ends."""

    @extend_schema(request=ResetSerializer, responses={200: StatusSerializer, **_PROBLEMS, **problems(403)})
    def post(self, request: Request) -> Response:
        asked = self.body(request, ResetSerializer)
        client = client_of(request)
        limits.take(request, ("link_ip", client.network))
        resets.reset_password(client=client, **asked)
        return Response({"status": "done"})


class ChangeView(OwnView):
    """Set a new password where the present one is known; the session at hand goes on."""

    @extend_schema(
        request=ChangePasswordSerializer, responses={200: StatusSerializer, **_PROBLEMS, **problems(401, 403)}
    )
    def post(self, request: Request) -> Response:
        asked = self.body(request, ChangePasswordSerializer)
        passwords.change_password(
            current=asked["current_password"],
            new=asked["new_password"],
            revoke_others=asked["revoke_other_sessions"],
            **self.count(request),
        )
        self.renew_key(request)
        return Response({"status": "done"})
