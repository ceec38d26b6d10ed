"""The forms of the staff area: they look at the shape of what was typed; services look at the truth of it."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts import passwords
from accounts.models import User
from accounts.pages.forms import EmailAddressField, PageForm, PasswordField, RecoveryCodeForm, password_hint
from accounts.pages.reauthentication_forms import current_password
from accounts.roles import Role, can_give_role
from gatehouse.problems import Problem
from gatehouse.reasons import MAX_REASON
from gatehouse.text import validate_multiline_text

__all__ = [
    "NewPasswordForm",
    "ReasonForm",
    "RecoveryCodeForm",
    "RoleForm",
    "StaffSignInForm",
]


class StaffSignInForm(PageForm):
    email = EmailAddressField()
    password = current_password(_("Password"))
    next = forms.CharField(required=False, widget=forms.HiddenInput)
    main_field = "email"


class NewPasswordForm(PageForm):
    password = PasswordField(
        autocomplete="new-password", label=_("Create a password"), error_messages={"required": _("Enter a password")}
    )
    main_field = "password"

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email
        self.fields["password"].help_text = password_hint()

    def clean_password(self) -> str:
        """Look at the password's shape, so that everything there is to mend is said at once."""
        password: str = self.cleaned_data["password"]
        try:
            passwords.check_policy(password, about=(self.email,))
        except Problem as problem:
            raise forms.ValidationError([str(error.detail) for error in problem.errors]) from None
        return password


class ReasonForm(PageForm):
    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("Kept in the audit trail for good. Do not put passwords or codes in it."),
        widget=forms.Textarea(attrs={"rows": 3}),
        validators=[validate_multiline_text],
        error_messages={"required": _("Say why: the reason is kept in the audit trail")},
    )
    main_field = "reason"

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.viewer = viewer

    def clean_reason(self) -> str:
        reason: str = self.cleaned_data["reason"].replace("\r\n", "\n")
        if len(reason) > MAX_REASON:
            raise forms.ValidationError(_("Use 500 characters or fewer"))
        return reason


class RoleForm(ReasonForm):
    """Offers the roles that the viewer may give; the service decides all the same."""

    role = forms.ChoiceField(
        label=_("New role"),
        error_messages={"required": _("Choose a role"), "invalid_choice": _("Choose a role")},
    )
    field_order = ("role", "reason")

    def __init__(self, *args: Any, viewer: User, **kwargs: Any) -> None:
        super().__init__(*args, viewer=viewer, **kwargs)
        given = [(role.value, role.label) for role in Role if can_give_role(viewer, role)]
        self.fields["role"].choices = [("", _("Choose a role")), *given]  # type: ignore[attr-defined]
