"""Why a session ended."""

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class RevokeReason(models.TextChoices):
    """Every reason for which a session ends; the values are public and only ever added to."""

    SIGNED_OUT = "signed_out", _("Signed out")
    SIGNED_OUT_ELSEWHERE = "signed_out_elsewhere", _("Signed out from another device")
    STAFF = "staff", _("Ended by staff")
    PASSWORD_CHANGED = "password_changed", _("The password was changed")
    PASSWORD_RESET = "password_reset", _("The password was reset")
    ADDRESS_CHANGED = "address_changed", _("The email address was changed")
    FACTORS_CHANGED = "factors_changed", _("The ways to confirm a sign-in were changed")
    ROLE_CHANGED = "role_changed", _("The role was changed")
    DISABLED = "disabled", _("The account was disabled")
    DELETED = "deleted", _("The account was deleted")
    REFRESH_REUSED = "refresh_reused", _("A used refresh token came back")
    DISAVOWED = "disavowed", _("The owner did not recognise it")
    IDLE = "idle", _("Not used for too long")
    ABSOLUTE = "absolute", _("Reached its longest life")
    LIMIT = "limit", _("Too many sessions at once")
    KEYS_RETIRED = "keys_retired", _("The signing keys were retired")
    PROVIDER = "provider", _("Ended by the sign-in provider")

    @property
    def own_words(self) -> str:
        """What the owner of the session reads; the label is what staff read."""
        return gettext("You did not recognise it") if self is RevokeReason.DISAVOWED else str(self.label)


#: Ends that time brings; everything else is somebody's act.
EXPIRY = frozenset({RevokeReason.IDLE, RevokeReason.ABSOLUTE})
