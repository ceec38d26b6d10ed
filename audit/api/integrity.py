from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit import integrity
from audit.api.base import TrailView
from audit.canonical import moment
from audit.findings import Code
from gatehouse.documents import problems
from gatehouse.problems import Problem


class FindingSerializer(serializers.Serializer[Any]):
    code = serializers.ChoiceField([code.value for code in Code])
    event = serializers.IntegerField(allow_null=True)
    seal = serializers.IntegerField(allow_null=True)
    says = serializers.CharField()


class IntegritySerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField(help_text="A verification of all of it ended lately, and nothing is wrong.")
    sealed_through = serializers.IntegerField(help_text="The greatest id of an event that is sealed.")
    last_verified_at = serializers.DateTimeField(allow_null=True)
    findings = FindingSerializer(many=True)


class IntegrityView(TrailView):
    """Tell whether the trail is what was sealed, as far as is known."""

    @extend_schema(responses={200: IntegritySerializer, **problems(400, 401, 403, 405, 406, 429, 500, 503)})
    def get(self, request: Request) -> Response:
        if not self.scope.is_whole:
            raise Problem("permission_denied")
        stands = integrity.integrity(now=timezone.now())
        verified = stands["last_verified_at"]
        return Response({**stands, "last_verified_at": moment(verified) if verified else None})
