from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import activity
from accounts.api.views.own import OwnView
from gatehouse import lists
from gatehouse.documents import problems
from gatehouse.lists import PageQuerySerializer
from sessions_app.shapes import moment


class ActivityQuerySerializer(PageQuerySerializer):
    since = serializers.DateTimeField(required=False, help_text="Inclusive.")
    until = serializers.DateTimeField(required=False, help_text="Exclusive.")


class ActivityItemSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    timestamp = serializers.DateTimeField()
    action = serializers.CharField()
    text = serializers.CharField(help_text="In words, in the language asked for.")
    success = serializers.BooleanField()
    device = serializers.CharField(allow_null=True)
    ip = serializers.CharField(allow_null=True)
    session_id = serializers.CharField(allow_null=True)


class ActivityListSerializer(serializers.Serializer[Any]):
    results = ActivityItemSerializer(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class ActivityView(OwnView):
    """List what happened to the account of whoever asks, the newest first."""

    query_serializer = ActivityQuerySerializer

    @extend_schema(
        parameters=[ActivityQuerySerializer],
        responses={200: ActivityListSerializer, **problems(400, 401, 403, 405, 406, 429, 500, 503)},
    )
    def get(self, request: Request) -> Response:
        asked, user = self.query, self.principal.user
        told = {name: str(request.query_params[name]) for name in asked if name in {"since", "until"}}
        return lists.answer(
            request,
            lambda: activity.page(user=user, **asked),
            _shape,
            {"limit": str(asked["limit"])} | told,
        )


def _shape(row: Any) -> dict[str, Any]:
    item = activity.item_of(row)
    return {
        "id": item.id,
        "timestamp": moment(item.timestamp),
        "action": item.action,
        "text": item.text,
        "success": item.success,
        "device": item.device,
        "ip": item.ip,
        "session_id": item.session_id,
    }
