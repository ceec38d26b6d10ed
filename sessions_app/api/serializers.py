from typing import Any

from rest_framework import serializers

from gatehouse.api import StrictBooleanField, StrictCharField, StrictSerializer, TokenField
from sessions_app.models import LABEL_LENGTH


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
