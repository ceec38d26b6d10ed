"""The shapes of what staff send about accounts, and of the answers for the API's document."""

from typing import Any

from rest_framework import serializers

from accounts import lengths
from accounts.api.serializers import FactorShape, UserShape
from accounts.models.user import Status
from accounts.people import LOCKED
from accounts.roles import Role
from gatehouse.api import EmailField, StrictCharField, StrictChoiceField, StrictSerializer
from gatehouse.lists import PageQuerySerializer
from gatehouse.reasons import MAX_REASON
from gatehouse.text import EMAIL_MAX_LENGTH


class ReasonField(serializers.CharField):
    """Why staff do something: required, and kept in the trail. The service looks at the characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": MAX_REASON} | kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the reason, trimmed."""
        if not isinstance(data, str):
            self.fail("invalid")
        return data.strip()


class ReasonSerializer(StrictSerializer):
    reason = ReasonField()


class ReasonQuerySerializer(StrictSerializer):
    reason = ReasonField(required=False, help_text="Here or in the body.")


class UsersQuerySerializer(PageQuerySerializer):
    q = StrictCharField(
        required=False, allow_blank=True, max_length=EMAIL_MAX_LENGTH, help_text="An id, or how an address begins."
    )
    role = StrictChoiceField(choices=Role.choices, required=False)
    status = StrictChoiceField(
        choices=[*Status.choices, (LOCKED, LOCKED)], required=False, help_text="locked: a lockout runs against it."
    )


class SessionsQuerySerializer(PageQuerySerializer):
    ended = serializers.ChoiceField(["true", "false"], default="false", help_text="true: those that are over.")


class InvitationSerializer(StrictSerializer):
    email = EmailField()
    role = StrictChoiceField(choices=Role.choices, required=False, default=Role.USER)
    display_name = StrictCharField(max_length=lengths.DISPLAY_NAME, required=False, allow_blank=True, default="")


class PermissionSerializer(ReasonSerializer):
    permission = StrictCharField(max_length=lengths.PERMISSION)


class GrantSerializer(PermissionSerializer):
    expires_at = serializers.DateTimeField(required=False, help_text="At most, and if it is left out: GRANT_TTL.")


class PermissionQuerySerializer(ReasonQuerySerializer):
    permission = StrictCharField(max_length=lengths.PERMISSION, required=False, help_text="Here or in the body.")


class GrantShape(serializers.Serializer[Any]):
    permission = serializers.CharField()
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    expires_at = serializers.DateTimeField()


class RoleSerializer(ReasonSerializer):
    role = StrictChoiceField(choices=Role.choices)


class NameSerializer(StrictSerializer):
    display_name = StrictCharField(max_length=lengths.DISPLAY_NAME, required=False, allow_blank=True)


class DisabledShape(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    reason = serializers.CharField()
    by = serializers.CharField(allow_null=True)


class StaffUserShape(UserShape):
    email_verified_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField()
    disabled = DisabledShape(allow_null=True)
    deleted_at = serializers.DateTimeField(allow_null=True)
    locked_until = serializers.DateTimeField(allow_null=True)
    failed_sign_ins = serializers.IntegerField()
    factors = FactorShape(many=True)
    permissions = serializers.ListField(child=serializers.CharField())


class UserListShape(serializers.Serializer[Any]):
    results = StaffUserShape(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
