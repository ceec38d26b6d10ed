from typing import Any

from rest_framework import serializers

from gatehouse.api import StrictBooleanField, StrictCharField, StrictSerializer, TokenField
from sessions_app.models import LABEL_LENGTH, Transport
from sessions_app.reasons import RevokeReason


class RefreshSerializer(StrictSerializer):
    refresh_token = TokenField(required=False, max_length=None)  # a token too long to be ours is a bad token


class RevokeAllSerializer(StrictSerializer):
    include_current = StrictBooleanField(default=False)


class DeviceNameSerializer(StrictSerializer):
    name = StrictCharField(max_length=LABEL_LENGTH)


class TokensSerializer(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    token_type = serializers.ChoiceField(["Bearer"])
    expires_in = serializers.IntegerField()
    refresh_token = serializers.CharField(required=False, help_text="Not where it travels in a cookie.")


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


class DeviceSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.CharField()
    current = serializers.BooleanField()
    first_seen_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    trusted_until = serializers.DateTimeField(allow_null=True)


class DeviceListSerializer(serializers.Serializer[Any]):
    results = DeviceSerializer(many=True)
