from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.api.base import TrailView
from audit.api.filters import refusals_named
from audit.statistics import BUCKETS, statistics
from gatehouse.api import StrictSerializer
from gatehouse.documents import problems


class StatisticsQuerySerializer(StrictSerializer):
    since = serializers.DateTimeField(required=False, help_text="Inclusive; widened to whole buckets.")
    until = serializers.DateTimeField(required=False, help_text="Exclusive; widened likewise. Default: now.")
    bucket = serializers.ChoiceField(list(BUCKETS), default="hour", help_text="In UTC; at most 1000 of them.")


class TotalsSerializer(serializers.Serializer[Any]):
    events = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()


class FailingPlaceSerializer(serializers.Serializer[Any]):
    ip = serializers.CharField()
    failed = serializers.IntegerField()


class FilesSerializer(serializers.Serializer[Any]):
    uploads = serializers.IntegerField()
    downloads = serializers.IntegerField()
    bytes = serializers.IntegerField()


class BucketSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    events = serializers.IntegerField()
    failed = serializers.IntegerField()


class StatisticsSerializer(serializers.Serializer[Any]):
    since = serializers.DateTimeField(help_text="From when was counted.")
    until = serializers.DateTimeField(help_text="Until when was counted.")
    totals = TotalsSerializer()
    by_type = serializers.DictField(child=serializers.IntegerField())
    by_action = serializers.DictField(child=serializers.IntegerField())
    failure_reasons = serializers.DictField(child=serializers.IntegerField())
    top_failing_ips = FailingPlaceSerializer(many=True, help_text="Those that the trail still tells.")
    files = FilesSerializer()
    buckets = BucketSerializer(many=True)


class StatisticsView(TrailView):
    """Count the events of a time: by type, action and reason, and by the hour or the day."""

    permission: ClassVar[str] = "audit.statistics"
    query_serializer = StatisticsQuerySerializer

    @extend_schema(
        parameters=[StatisticsQuerySerializer],
        responses={200: StatisticsSerializer, **problems(400, 401, 403, 405, 406, 429, 500, 503)},
    )
    def get(self, request: Request) -> Response:
        with refusals_named():
            found = statistics(**self.query)
        shape = found.as_json()
        if not self.scope.sees_addresses:
            shape["top_failing_ips"] = []
        return Response(shape)
