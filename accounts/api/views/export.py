from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import downloads
from accounts.api.views.own import OwnView
from accounts.models import Export
from accounts.services import export
from gatehouse.api import JSONNegotiation
from gatehouse.conf import app_settings as site_settings
from gatehouse.documents import problems
from sessions_app import access

_READS = problems(400, 401, 403, 404, 405, 406, 429, 500, 503)


class ExportShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=["preparing", "ready", "fetched", "failed", "expired"])
    url = serializers.CharField(required=False, help_text="While it is ready: where a GET takes the file, once.")


class ExportsView(OwnView):
    """Have a copy made of everything that is held about whoever asks; where one is open, that is it."""

    permission_classes = (access.FreshUser,)

    @extend_schema(
        request=None,
        responses={202: ExportShape, **problems(400, 401, 403, 405, 406, 413, 415, 429, 500, 503)},
    )
    def post(self, request: Request) -> Response:
        self.body(request)
        return Response(_shape(export.ask(**self.count(request))), status=status.HTTP_202_ACCEPTED)


class ExportView(OwnView):
    """Tell how far an export is, and where its file is once it is ready."""

    permission_classes = (access.FreshUser,)

    @extend_schema(responses={200: ExportShape, **_READS})
    def get(self, request: Request, export_id: UUID) -> Response:
        return Response(_shape(export.find(user=self.principal.user, export_id=export_id)))


class _AnyKind(JSONNegotiation):
    """Whatever is accepted: the answer is a file for saving, and its refusals are problems as ever."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class ExportFileView(OwnView):
    """Take the file of an export, a zip. It is sent once, and deleted."""

    permission_classes = (access.FreshUser,)
    content_negotiation_class = _AnyKind
    http_method_names = ("get",)  # a HEAD would take it, and give nothing

    @extend_schema(
        responses={
            (200, "application/zip"): OpenApiResponse(OpenApiTypes.BINARY, "The file."),
            **problems(400, 401, 403, 404, 405, 409, 429, 500, 503),
        }
    )
    def get(self, request: Request, export_id: UUID) -> StreamingHttpResponse:
        return downloads.answer(export.fetch(export_id=export_id, **self.count(request)))


def _shape(asked: Export) -> dict[str, str]:
    now = timezone.now()
    shape = {"id": str(asked.pk), "status": asked.status(now)}
    if asked.is_ready(now):
        shape["url"] = site_settings().BASE_URL + reverse("accounts_api:export-file", args=[asked.pk])
    return shape
