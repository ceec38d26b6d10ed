from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from audit import queries
from audit.api.base import TrailView
from audit.api.filters import FilterSerializer, filters_of, refusals_named
from audit.api.shapes import event_shape
from audit.export import Export
from gatehouse.api import JSONNegotiation
from gatehouse.client import client_of
from gatehouse.documents import problems

_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


class ExportNegotiation(JSONNegotiation):
    """The query says which form it is, so whoever accepts either of them, or JSON, is served."""

    accepted = JSONNegotiation.accepted | {"application/x-ndjson", "text/csv", "text/*"}


class ExportQuerySerializer(FilterSerializer):
    format = serializers.ChoiceField([*_TYPES], default="ndjson")


class ExportView(TrailView):
    """Stream the events that pass the filters, the newest first; the trail records who took what."""

    permission = "audit.export"
    query_serializer = ExportQuerySerializer
    content_negotiation_class = ExportNegotiation

    @extend_schema(
        parameters=[ExportQuerySerializer],
        responses={
            (200, "application/x-ndjson"): OpenApiTypes.STR,
            (200, "text/csv"): OpenApiTypes.STR,
            **problems(400, 401, 403, 405, 406, 429, 500, 503),
        },
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        asked = dict(self.query)
        form = asked.pop("format")
        told: dict[str, Any] = {name: self._one(values) for name, values in request.query_params.lists()}
        with refusals_named():
            pages = queries.walk(**filters_of(asked, self.scope))
        export = Export(
            pages,
            form=form,
            shape=lambda event: event_shape(event, self.scope),
            scope=self.scope,
            client=client_of(request),
            filters={name: value for name, value in told.items() if name != "format"},
        )
        name = f"audit-events.{form}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Accel-Buffering": "no"}
        return StreamingHttpResponse(export, content_type=_TYPES[form], headers=headers)

    def _one(self, values: list[Any]) -> Any:
        return values[0] if len(values) == 1 else values
