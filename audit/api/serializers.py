from typing import Any

from rest_framework import serializers


class ActorSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(["user", "service", "command", "system", "anonymous"])
    id = serializers.CharField(allow_null=True)
    label = serializers.CharField(  # type: ignore[assignment]  # a field of the body by this name
        help_text="A role, or a name of the system; never an address."
    )


class EventSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    timestamp = serializers.DateTimeField()
    event_type = serializers.CharField(help_text="One of ours, or a type that this site added.")
    action = serializers.CharField()
    user_id = serializers.CharField(allow_null=True, help_text="The account concerned.")
    actor = ActorSerializer()
    email = serializers.CharField(allow_null=True, help_text="As typed, also where no account has it.")
    resource = serializers.CharField(allow_null=True)
    success = serializers.BooleanField()
    failure_reason = serializers.CharField(allow_null=True)
    error_message = serializers.CharField(allow_null=True)
    details = serializers.DictField(allow_null=True)
    ip_address = serializers.CharField(allow_null=True)
    user_agent = serializers.CharField(allow_null=True)
    request_id = serializers.CharField(allow_null=True)
    session_id = serializers.CharField(allow_null=True)
    erased = serializers.BooleanField(required=False, help_text="There where something of it was erased.")
    altered = serializers.BooleanField(required=False, help_text="There where somebody changed the stored row.")
    unreadable = serializers.BooleanField(required=False, help_text="There where no key of the server's opens it.")


class EventListSerializer(serializers.Serializer[Any]):
    results = EventSerializer(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
