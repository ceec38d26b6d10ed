from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.serializers import (
    ConsentAnswerShape,
    ConsentListShape,
    ConsentSerializer,
    ProfileSerializer,
    UserShape,
)
from accounts.api.shapes import consent_shape, user_shape
from accounts.api.views.own import OwnView
from accounts.models import Consent
from accounts.services import consents, profile
from gatehouse.documents import problems

_READS = problems(400, 401, 403, 405, 406, 429, 500, 503)
_WRITES = {**_READS, **problems(413, 415)}


class MeView(OwnView):
    """Show the account of whoever asks, or change the name that its owner gave it."""

    @extend_schema(responses={200: UserShape, **_READS})
    def get(self, request: Request) -> Response:
        return Response(user_shape(self.principal.user))

    @extend_schema(request=ProfileSerializer, responses={200: UserShape, **_WRITES})
    def patch(self, request: Request) -> Response:
        asked = self.body(request, ProfileSerializer)
        if "display_name" not in asked:
            return Response(user_shape(self.principal.user))
        return Response(user_shape(profile.change_name(name=asked["display_name"], **self.count(request))))


class ConsentsView(OwnView):
    """Show what was answered, the newest first, or answer a version: agree to it, or do so no more."""

    @extend_schema(responses={200: ConsentListShape, **_READS})
    def get(self, request: Request) -> Response:
        rows = Consent.objects.filter(user=self.principal.user).newest_first()
        return Response({"results": [consent_shape(row) for row in rows]})

    @extend_schema(request=ConsentSerializer, responses={201: ConsentAnswerShape, **_WRITES})
    def post(self, request: Request) -> Response:
        asked = self.body(request, ConsentSerializer)
        [row] = consents.answer(answers={asked["version"]: asked["granted"]}, **self.count(request))
        return Response(consent_shape(row), status=201)
