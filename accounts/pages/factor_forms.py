"""The forms in which second factors are set up, saved and removed."""

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts import lengths
from accounts.pages.forms import CodeField, PageForm
from accounts.services.factors import DIGITS
from gatehouse.text import validate_text


class AppNameForm(PageForm):
    name = forms.CharField(
        label=_("Name of the app or phone"),
        help_text=_("So that you know it again, for example “My phone”. You may leave it empty."),
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        validators=[validate_text],
    )
    main_field = "name"

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if len(name) > lengths.APP_NAME:
            raise forms.ValidationError(_("Use 60 characters or fewer"))
        return name


class AppCodeForm(PageForm):
    code = CodeField(length=DIGITS)
    main_field = "code"


class SavedCodesForm(PageForm):
    saved = forms.BooleanField(
        label=_("I have saved these codes"),
        error_messages={"required": _("Save the codes, then tick “I have saved these codes”")},
    )
    main_field = "saved"


class ConfirmForm(PageForm):
    """A button that does what its page says; nothing is typed."""
