from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.permissions import ProvedUser
from accounts.api.serializers import NewEmailSerializer, StatusSerializer, TokenSerializer
from accounts.api.views.own import OwnView
from accounts.api.views.registration import PublicView
from accounts.services import address, address_links
from gatehouse import limits
from gatehouse.client import client_of
from gatehouse.documents import problems
from sessions_app import access

_PROBLEMS = problems(400, 405, 406, 413, 415, 429, 500, 503)


class ChangeView(OwnView):
    """Ask for another address; the answer is the same for every one, and the present one stays until it is proved."""

    permission_classes = (ProvedUser,)

    @extend_schema(request=NewEmailSerializer, responses={202: StatusSerializer, **_PROBLEMS, **problems(401, 403)})
    def post(self, request: Request) -> Response:
        asked = self.body(request, NewEmailSerializer)
        address.ask(**asked, **self.count(request, "address_account"))
        return Response({"status": "accepted"}, status=status.HTTP_202_ACCEPTED)


class PendingView(OwnView):
    """Give up the change that waits, if one does."""

    permission_classes = (access.FreshUser,)

    @extend_schema(request=None, responses={204: None, **_PROBLEMS, **problems(401, 403)})
    def delete(self, request: Request) -> Response:
        self.body(request)
        address.cancel(**self.count(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class ConfirmView(PublicView):
    """Put a new address in force by the token of the link mailed there; every session of the account ends."""

    @extend_schema(request=TokenSerializer, responses={200: StatusSerializer, **_PROBLEMS, **problems(409)})
    def post(self, request: Request) -> Response:
        asked = self.body(request, TokenSerializer)
        client = client_of(request)
        limits.take(request, ("link_ip", client.network))
        address_links.confirm(token=asked["token"], client=client)
        return Response({"status": "done"})
