from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from audit import queries
from audit.api import writing
from audit.api.base import TrailView
from audit.api.filters import EventsQuerySerializer, filters_of, refusals_named
from audit.api.serializers import EventListSerializer, EventSerializer
from audit.api.shapes import event_shape
from audit.api.writing import EventToWriteSerializer
from gatehouse import lists
from gatehouse.api import StrictSerializer
from gatehouse.client import client_of
from gatehouse.documents import problems
from gatehouse.problems import Problem


class EventsView(TrailView):
    """List the events of the trail, the newest first; write one."""

    query_serializer = EventsQuerySerializer

    @extend_schema(
        operation_id="audit_events_list",
        parameters=[EventsQuerySerializer],
        responses={200: EventListSerializer, **problems(400, 401, 403, 405, 406, 429, 500, 503)},
    )
    def get(self, request: Request) -> Response:
        asked = self.query
        filters = filters_of(asked, self.scope)
        told = [(name, value) for name, values in request.query_params.lists() for value in values]
        query = [(name, value) for name, value in told if name not in {"limit", "cursor"}]
        with refusals_named():
            return lists.answer(
                request,
                lambda: queries.page(limit=asked["limit"], cursor=asked.get("cursor"), **filters),
                lambda event: event_shape(event, self.scope),
                [*query, ("limit", str(asked["limit"]))],
            )

    @extend_schema(
        request=EventToWriteSerializer,
        responses={201: EventSerializer, **problems(400, 401, 403, 405, 406, 413, 415, 429, 500, 503)},
    )
    def post(self, request: Request) -> Response:
        """Write one event of another service, which comes with its key."""
        values = self.body(request, EventToWriteSerializer)
        event = writing.write(values, actor=self.scope.actor, client=client_of(request))
        return Response(event_shape(event, self.scope), status=status.HTTP_201_CREATED)

    def query_shape(self, request: Request) -> type[StrictSerializer] | None:
        return None if request.method == "POST" else super().query_shape(request)


class EventView(TrailView):
    """Show one event."""

    @extend_schema(responses={200: EventSerializer, **problems(400, 401, 403, 404, 405, 406, 429, 500, 503)})
    def get(self, request: Request, event_id: int) -> Response:
        event = queries.find(event_id, scope=self.scope)
        if event is None:
            raise Problem("not_found")
        return Response(event_shape(event, self.scope))
