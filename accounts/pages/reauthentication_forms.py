"""The forms in which somebody proves again who they are."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from accounts.pages.forms import CodeField, PageForm, PasswordField, RecoveryCodeForm
from accounts.services.factors import DIGITS


def current_password(label: Any) -> PasswordField:
    """Return the field for a password that exists already."""
    return PasswordField(
        autocomplete="current-password", label=label, error_messages={"required": _("Enter your password")}
    )


class PasswordAgainForm(PageForm):
    password = current_password(_("Your password"))
    main_field = "password"


class ReauthenticationForm(PageForm):
    password = current_password(_("Your password"))
    code = CodeField(length=DIGITS, help_text=_("The 6 numbers that your authenticator app shows now."))
    main_field = "password"


class RecoveryReauthenticationForm(RecoveryCodeForm):
    password = current_password(_("Your password"))
    field_order = ("password", "code")
    main_field = "password"
