"""How the API's document describes sessions, to their owners and to staff alike: see shapes.py."""

from typing import Any

from rest_framework import serializers

from sessions_app.models import Transport
from sessions_app.reasons import RevokeReason


class SessionDeviceSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.CharField()


class SessionSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    current = serializers.BooleanField()
    device = SessionDeviceSerializer()
    ip = serializers.IPAddressField(allow_null=True)
    transport = serializers.ChoiceField(Transport.choices)
    factors = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    place = serializers.CharField(
        required=False, allow_null=True, help_text="There where the operator gives a file of places."
    )
    revoked_at = serializers.DateTimeField(required=False)
    revoked_reason = serializers.ChoiceField(RevokeReason.choices, required=False)
    revoked_by = serializers.CharField(required=False, allow_null=True)


class SessionListSerializer(serializers.Serializer[Any]):
    results = SessionSerializer(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class RevokedSerializer(serializers.Serializer[Any]):
    revoked = serializers.IntegerField()
