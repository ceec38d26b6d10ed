"""The shapes of what clients send, and of the answers for the API's document."""

from typing import Any

from rest_framework import serializers

from accounts import lengths
from accounts.models import Method
from accounts.models.user import Status
from accounts.roles import Role
from gatehouse.api import (
    CodeField,
    EmailField,
    PasswordField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictSerializer,
    TokenField,
)
from gatehouse.client import DEVICE_NAME_LENGTH

_CHALLENGE_ID = 64  # a UUID is shorter; anything else is refused as an unknown challenge


class RegisterSerializer(StrictSerializer):
    email = EmailField()
    password = PasswordField()
    accept_terms = StrictBooleanField()
    display_name = StrictCharField(max_length=lengths.DISPLAY_NAME, required=False, allow_blank=True, default="")


class ProfileSerializer(StrictSerializer):
    display_name = StrictCharField(max_length=lengths.DISPLAY_NAME, required=False, allow_blank=True)


class ConsentSerializer(StrictSerializer):
    version = StrictCharField(max_length=lengths.VERSION)
    granted = StrictBooleanField()


class EmailSerializer(StrictSerializer):
    email = EmailField()


class TokenSerializer(StrictSerializer):
    token = TokenField()


class LoginSerializer(StrictSerializer):
    email = EmailField()
    password = PasswordField()
    device_name = StrictCharField(max_length=DEVICE_NAME_LENGTH, required=False, allow_blank=True, default="")
    trust_token = TokenField(required=False)


class SendSerializer(StrictSerializer):
    challenge_id = StrictCharField(max_length=_CHALLENGE_ID)
    method = StrictChoiceField(choices=Method.choices, required=False)


class VerifySerializer(StrictSerializer):
    challenge_id = StrictCharField(max_length=_CHALLENGE_ID)
    code = CodeField()
    method = StrictChoiceField(choices=Method.choices, required=False)
    trust_device = StrictBooleanField(required=False, default=False)


class ReauthenticateSerializer(StrictSerializer):
    password = PasswordField()
    method = StrictChoiceField(
        choices=[(Method.TOTP.value, "totp"), (Method.RECOVERY.value, "recovery")], required=False
    )
    code = CodeField(required=False)


class ResetSerializer(StrictSerializer):
    token = TokenField()
    new_password = PasswordField()
    method = StrictChoiceField(
        choices=[(Method.TOTP.value, "totp"), (Method.RECOVERY.value, "recovery")], required=False
    )
    code = CodeField(required=False)


class NewEmailSerializer(StrictSerializer):
    new_email = EmailField()


class ChangePasswordSerializer(StrictSerializer):
    current_password = PasswordField()
    new_password = PasswordField()
    revoke_other_sessions = StrictBooleanField(required=False, default=True)


class AppNameSerializer(StrictSerializer):
    name = StrictCharField(max_length=lengths.APP_NAME, required=False, allow_blank=True, default="")


class AppCodeSerializer(StrictSerializer):
    code = CodeField()


class StatusSerializer(serializers.Serializer[Any]):
    status = serializers.CharField()


class MethodShape(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=Method.choices)
    hint = serializers.CharField(allow_null=True)


class ChallengeShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    method = serializers.ChoiceField(choices=Method.choices)
    methods = MethodShape(many=True)
    expires_at = serializers.DateTimeField()
    resend_after = serializers.IntegerField()


class ConsentShape(serializers.Serializer[Any]):
    version = serializers.CharField()
    given_at = serializers.DateTimeField()


class ConsentAnswerShape(serializers.Serializer[Any]):
    version = serializers.CharField()
    granted = serializers.BooleanField()
    at = serializers.DateTimeField()


class ConsentListShape(serializers.Serializer[Any]):
    results = ConsentAnswerShape(many=True)


class UserShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.CharField()
    email_verified = serializers.BooleanField()
    display_name = serializers.CharField()
    role = serializers.ChoiceField(choices=Role.choices)
    status = serializers.ChoiceField(choices=Status.choices)
    created_at = serializers.DateTimeField()
    last_login_at = serializers.DateTimeField(allow_null=True)
    password_changed_at = serializers.DateTimeField(allow_null=True)
    consent = ConsentShape(allow_null=True)


class SignInShape(serializers.Serializer[Any]):
    """Every step of a sign-in; ``status`` says which members are there."""

    status = serializers.ChoiceField(choices=["otp_required", "authenticated", "email_unverified"])
    challenge = ChallengeShape(required=False)
    access_token = serializers.CharField(required=False)
    token_type = serializers.CharField(required=False)
    expires_in = serializers.IntegerField(required=False)
    refresh_token = serializers.CharField(required=False)
    session = serializers.DictField(required=False)
    user = UserShape(required=False)
    trust_token = serializers.CharField(required=False)


class SentShape(serializers.Serializer[Any]):
    status = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)
    resend_after = serializers.IntegerField()


class SessionAndUserShape(serializers.Serializer[Any]):
    session = serializers.DictField()
    user = UserShape()


class DeletionShape(serializers.Serializer[Any]):
    erases_at = serializers.DateTimeField()


class AccessShape(serializers.Serializer[Any]):
    access_token = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField()


class FactorShape(serializers.Serializer[Any]):
    id = serializers.UUIDField(allow_null=True, help_text="Of an app; the mailed code and recovery codes have none.")
    type = serializers.ChoiceField(choices=Method.choices)
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    remaining = serializers.IntegerField(required=False, help_text="Of recovery codes: how many are left.")


class FactorListShape(serializers.Serializer[Any]):
    results = FactorShape(many=True)


class AppSetupShape(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    secret = serializers.CharField(help_text="In base32, for typing.")
    otpauth_url = serializers.CharField()
    qr_svg = serializers.CharField()


class ConfirmedAppShape(serializers.Serializer[Any]):
    recovery_codes = serializers.ListField(child=serializers.CharField(), required=False)


class RecoveryCodesShape(serializers.Serializer[Any]):
    codes = serializers.ListField(child=serializers.CharField())


class ConfigShape(serializers.Serializer[Any]):
    password = serializers.DictField()
    otp = serializers.DictField()
    factors = serializers.ListField(child=serializers.CharField())
    providers = serializers.ListField(child=serializers.DictField())
    terms_version = serializers.CharField()
    optional_consents = serializers.ListField(child=serializers.DictField())
    signup_open = serializers.BooleanField()
