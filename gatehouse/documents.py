"""How the OpenAPI document describes a refusal."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

_Documented = dict[tuple[int, str], Any]


class FieldErrorSerializer(serializers.Serializer[Any]):
    pointer = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    type = serializers.URLField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField()
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]  # a field of the body by this name


def problems(*statuses: int) -> _Documented:
    """Return the documented answer for each of *statuses*."""
    return {(status, "application/problem+json"): OpenApiResponse(ProblemSerializer) for status in statuses}
