from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from gatehouse import limits
from gatehouse.client import client_of
from gatehouse.documents import problems
from sessions_app import services as sessions
from sessions_app.api.own import OwnView
from sessions_app.api.serializers import DeviceListSerializer, DeviceNameSerializer, DeviceSerializer
from sessions_app.models import Device
from sessions_app.shapes import device_shape


class DevicesView(OwnView):
    """List the devices that the account was used from, the one at hand first; or know none of them any more."""

    @extend_schema(responses={200: DeviceListSerializer, **problems(400, 401, 403, 405, 406, 429, 500, 503)})
    def get(self, request: Request) -> Response:
        current_id = self.current.device_id
        known = Device.objects.for_user(request.user).newest_first(current_id)
        return Response({"results": [device_shape(device, current_id=current_id) for device in known]})

    @extend_schema(
        operation_id="me_devices_destroy_all",
        request=None,
        responses={204: None, **problems(400, 401, 403, 405, 406, 413, 415, 429, 500, 503)},
    )
    def delete(self, request: Request) -> Response:
        self.body(request)
        sessions.remove_devices(user=request.user, client=client_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)


class DeviceView(OwnView):
    """Give one device a name, or know it no more."""

    @extend_schema(
        request=DeviceNameSerializer,
        responses={200: DeviceSerializer, **problems(400, 401, 403, 404, 405, 406, 413, 415, 429, 500, 503)},
    )
    def patch(self, request: Request, device_id: UUID) -> Response:
        asked = self.body(request, DeviceNameSerializer)
        limits.take(request, ("acts_account", str(request.user.pk)))
        device = sessions.rename_device(
            current=self.current, device_id=device_id, name=asked["name"], client=client_of(request)
        )
        return Response(device_shape(device, current_id=self.current.device_id))

    @extend_schema(
        request=None,
        responses={204: None, **problems(400, 401, 403, 404, 405, 406, 413, 415, 429, 500, 503)},
    )
    def delete(self, request: Request, device_id: UUID) -> Response:
        self.body(request)
        sessions.remove_device(current=self.current, device_id=device_id, client=client_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
