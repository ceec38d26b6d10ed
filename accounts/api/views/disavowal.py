from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.serializers import StatusSerializer, TokenSerializer
from accounts.api.views.registration import PublicView
from accounts.services import disavowal
from gatehouse import limits
from gatehouse.client import client_of
from gatehouse.documents import problems


class DisavowView(PublicView):
    """Undo a sign-in by the token of the mail about it."""

    @extend_schema(
        request=TokenSerializer, responses={200: StatusSerializer, **problems(400, 405, 406, 413, 415, 429, 500, 503)}
    )
    def post(self, request: Request) -> Response:
        asked = self.body(request, TokenSerializer)
        client = client_of(request)
        limits.take(request, ("link_ip", client.network))
        disavowal.disavow(token=asked["token"], client=client)
        return Response({"status": "done"})
