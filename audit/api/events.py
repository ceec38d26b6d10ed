from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit import queries
from audit.api.base import TrailView
from audit.api.filters import EventsQuerySerializer, filters_of, refusals_named
from audit.api.serializers import EventListSerializer, EventSerializer
from audit.api.shapes import event_shape
from gatehouse import lists
from gatehouse.documents import problems
from gatehouse.problems import Problem


class EventsView(TrailView):
    """List the events of the trail, the newest first."""

    query_serializer = EventsQuerySerializer

    @extend_schema(
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


class EventView(TrailView):
    """Show one event."""

    @extend_schema(responses={200: EventSerializer, **problems(400, 401, 403, 404, 405, 406, 429, 500, 503)})
    def get(self, request: Request, event_id: int) -> Response:
        event = queries.find(event_id, scope=self.scope)
        if event is None:
            raise Problem("not_found")
        return Response(event_shape(event, self.scope))
