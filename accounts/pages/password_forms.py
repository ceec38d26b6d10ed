"""The forms that set a password: by a link, or where the present one is known."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from accounts.pages.forms import EmailAddressField, PageForm, PasswordField, check_shape, password_hint


class ForgotForm(PageForm):
    email = EmailAddressField()
    main_field = "email"


class ResetForm(PageForm):
    """A new password, and before it a code where the account asks for one."""

    password = PasswordField(
        autocomplete="new-password",
        label=gettext_lazy("New password"),
        error_messages={"required": gettext_lazy("Enter a new password")},
    )
    main_field = "password"

    def __init__(self, *args: Any, about: tuple[str, ...], code: forms.Field | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.about = about
        self.fields["password"].help_text = password_hint()
        if code is not None:
            self.fields = {"code": code, **self.fields}

    def clean(self) -> dict[str, Any]:
        """Look at the password's shape here too, so that everything there is to mend is said at once."""
        check_shape(self, "password", self.about)
        return self.cleaned_data


class ChangePasswordForm(PageForm):
    old_password = PasswordField(
        autocomplete="current-password",
        label=gettext_lazy("Current password"),
        error_messages={"required": gettext_lazy("Enter your current password")},
    )
    new_password = PasswordField(
        autocomplete="new-password",
        label=gettext_lazy("New password"),
        error_messages={"required": gettext_lazy("Enter a new password")},
    )
    sign_out_others = forms.BooleanField(required=False, initial=True, label=gettext_lazy("Sign out my other devices"))
    main_field = "new_password"

    def __init__(self, *args: Any, about: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.about = about
        self.fields["new_password"].help_text = password_hint()

    def clean(self) -> dict[str, Any]:
        """Look at the new password's shape here too, so that everything there is to mend is said at once."""
        check_shape(self, "new_password", self.about)
        return self.cleaned_data
