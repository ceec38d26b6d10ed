from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.permissions import ProvedUser
from accounts.api.serializers import (
    AppCodeSerializer,
    AppNameSerializer,
    AppSetupShape,
    ConfirmedAppShape,
    FactorListShape,
    RecoveryCodesShape,
)
from accounts.api.shapes import factor_shape
from accounts.api.views.own import OwnView
from accounts.services import own_factors
from gatehouse.documents import problems

_CHANGE = problems(400, 401, 403, 405, 406, 409, 413, 415, 429, 500, 503)


class FactorsView(OwnView):
    """List the ways in which a sign-in can be confirmed."""

    @extend_schema(responses={200: FactorListShape, **problems(400, 401, 403, 405, 406, 429, 500, 503)})
    def get(self, request: Request) -> Response:
        found = own_factors.factors_of(self.principal.user)
        return Response({"results": [factor_shape(factor) for factor in found]})


class FactorChangeView(OwnView):
    """The base of views that change factors: for whoever proved themselves lately, with the app where there is one."""

    permission_classes = (ProvedUser,)


class TotpView(FactorChangeView):
    """Begin to set up an authenticator app; it is not in force before it is confirmed by a code."""

    @extend_schema(request=AppNameSerializer, responses={201: AppSetupShape, **_CHANGE})
    def post(self, request: Request) -> Response:
        asked = self.body(request, AppNameSerializer)
        setup = own_factors.begin_app(name=asked["name"], **self.count(request))
        shown = {"id": str(setup.device_id), "secret": setup.secret, "otpauth_url": setup.otpauth_url}
        return Response({**shown, "qr_svg": setup.qr_svg}, status=status.HTTP_201_CREATED)


class ConfirmTotpView(FactorChangeView):
    """Put an app in force by its first code; the first app brings recovery codes, shown this once."""

    @extend_schema(request=AppCodeSerializer, responses={200: ConfirmedAppShape, **_CHANGE, **problems(404)})
    def post(self, request: Request, app_id: UUID) -> Response:
        asked = self.body(request, AppCodeSerializer)
        made = own_factors.confirm_app(app_id=app_id, code=asked["code"], **self.count(request))
        self.renew_key(request)
        return Response({"recovery_codes": made} if made else {})


class FactorView(FactorChangeView):
    """Remove an authenticator app; without any, a mailed code is asked for again."""

    @extend_schema(request=None, responses={204: None, **_CHANGE, **problems(404)})
    def delete(self, request: Request, app_id: UUID) -> Response:
        self.body(request)
        own_factors.remove_app(app_id=app_id, **self.count(request))
        self.renew_key(request)
        return Response(status=status.HTTP_204_NO_CONTENT)


class RecoveryCodesView(FactorChangeView):
    """Replace the recovery codes; the new ones are shown this once."""

    @extend_schema(request=None, responses={201: RecoveryCodesShape, **_CHANGE})
    def post(self, request: Request) -> Response:
        self.body(request)
        made = own_factors.renew_recovery_codes(**self.count(request))
        self.renew_key(request)
        return Response({"codes": made}, status=status.HTTP_201_CREATED)
