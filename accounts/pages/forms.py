"""The forms of the pages: they look at the shape of what was typed; services look at the truth of it.

One renderer and one field template (``elements/field.html``) draw them all.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.forms.renderers import TemplatesSetting
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts import passwords
from accounts.conf import app_settings
from accounts.pages.words import span
from accounts.services.codes import MethodView
from gatehouse.pages import SummaryItem
from gatehouse.problems import Problem
from gatehouse.text import tidy_code, validate_email_address, validate_text

_NO_CORRECTION = {"autocapitalize": "none", "autocorrect": "off", "spellcheck": "false"}


class HintedField(BoundField):
    """A field that names its hint and its error as the field template does."""

    @property
    def aria_describedby(self) -> str | None:
        parts = ((self.help_text, f"{self.auto_id}_hint"), (self.errors, f"{self.auto_id}_error"))
        return " ".join(name for there, name in parts if there) or None


class PageRenderer(TemplatesSetting):
    """Draws with the project's templates, whatever FORM_RENDERER a host has set."""

    field_template_name = "elements/field.html"
    bound_field_class = HintedField


class PageForm(forms.Form):
    """The base of every form here: no browser bubbles, the page's own words, passwords and codes never sent back."""

    default_renderer = PageRenderer
    use_required_attribute = False
    #: Where an error goes that names no field of the form.
    main_field = ""

    def summary(self) -> Iterator[SummaryItem]:
        """Yield the errors in the order of the fields."""
        for bound in self:
            for text in bound.errors:
                yield SummaryItem(self._target(bound), str(text))

    def refuse(self, errors: Mapping[str, list[str]]) -> None:
        """Show *errors* of the service at their fields, those of fields that are not here at the main one."""
        for field, texts in errors.items():
            for text in texts:
                self.add_error(field if field in self.fields else self.main_field, text)

    def _target(self, bound: BoundField) -> str:
        return f"{bound.auto_id}_0" if isinstance(bound.field.widget, forms.RadioSelect) else bound.auto_id


class EmailAddressField(forms.CharField):
    """An address as it was typed; the service makes the key of it."""

    def __init__(self, *, autocomplete: str = "username", **kwargs: Any) -> None:
        widget = forms.EmailInput(attrs={"autocomplete": autocomplete, "inputmode": "email", **_NO_CORRECTION})
        kwargs.setdefault("label", gettext_lazy("Email address"))
        super().__init__(
            widget=widget,
            error_messages={"required": gettext_lazy("Enter an email address")},
            **kwargs,
        )

    def clean(self, value: Any) -> str:
        typed: str = super().clean(value)
        try:
            validate_email_address(typed)
        except ValidationError:
            message = _("Enter an email address in the correct format, like name@example.com")
            raise ValidationError(message, code="invalid") from None
        return typed


class PasswordField(forms.CharField):
    """A password, taken exactly as typed."""

    def __init__(self, *, autocomplete: str, **kwargs: Any) -> None:
        super().__init__(
            widget=forms.PasswordInput(
                attrs={"autocomplete": autocomplete, "autocapitalize": "none", "spellcheck": "false"}
            ),
            strip=False,
            **kwargs,
        )


class CodeField(forms.CharField):
    """The code of a mail or an app; spaces, hyphens and full-width digits do not matter."""

    default_error_messages = {"required": gettext_lazy("Enter the code")}

    def __init__(self, *, length: int | None = None, **kwargs: Any) -> None:
        attrs = {"autocomplete": "one-time-code", "inputmode": "numeric", "class": "code-input", **_NO_CORRECTION}
        super().__init__(widget=ForgetfulInput(attrs=attrs), label=gettext_lazy("Code"), **kwargs)
        self.length = length

    def clean(self, value: Any) -> str:
        typed: str = super().clean(value)
        code = tidy_code(typed)
        length = self.length or app_settings().OTP_LENGTH
        if not (code.isdigit() and len(code) == length):
            message = ngettext("The code must be %(n)d number", "The code must be %(n)d numbers", length)
            raise ValidationError(message % {"n": length}, code="invalid")
        return code


class ForgetfulInput(forms.TextInput):
    """A text field that never shows again what was typed: codes are cleared like passwords."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


class SignUpForm(PageForm):
    email = EmailAddressField(help_text=gettext_lazy("We send a link there to confirm it."))
    password = PasswordField(
        autocomplete="new-password",
        label=gettext_lazy("Create a password"),
        error_messages={"required": gettext_lazy("Enter a password")},
    )
    terms = forms.BooleanField(error_messages={"required": gettext_lazy("Agree to the terms to create an account")})
    main_field = "email"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = password_hint()
        self.fields["terms"].label = terms_label()
        for number, (_version, text) in enumerate(app_settings().OPTIONAL_CONSENTS):
            self.fields[f"agree_{number}"] = forms.BooleanField(required=False, label=text, help_text=_("Optional"))

    def clean(self) -> dict[str, Any]:
        """Look at the password's shape here too, so that everything there is to mend is said at once."""
        check_shape(self, "password", (self.cleaned_data.get("email", ""),))
        return self.cleaned_data

    @property
    def agreed(self) -> tuple[str, ...]:
        """The optional versions that were ticked."""
        offered = enumerate(app_settings().OPTIONAL_CONSENTS)
        return tuple(version for number, (version, _text) in offered if self.cleaned_data.get(f"agree_{number}"))


class ResendForm(PageForm):
    email = EmailAddressField(autocomplete="email")
    main_field = "email"


class SignInForm(PageForm):
    email = EmailAddressField()
    password = PasswordField(
        autocomplete="current-password",
        label=gettext_lazy("Password"),
        error_messages={"required": gettext_lazy("Enter your password")},
    )
    keep = forms.BooleanField(
        required=False,
        label=gettext_lazy("Keep me signed in on this device"),
        help_text=gettext_lazy("Do not use on a shared device"),
    )
    next = forms.CharField(required=False, widget=forms.HiddenInput)
    main_field = "email"


class CodeForm(PageForm):
    code = CodeField()
    trust_device = forms.BooleanField(required=False)
    main_field = "code"

    def __init__(self, *args: Any, trust_for: timedelta, length: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        code = self.fields["code"]
        assert isinstance(code, CodeField)  # noqa: S101 - narrows the type
        code.length = length
        trust = self.fields["trust_device"]
        trust.label = _("Do not ask again on this device for %(span)s") % {"span": span(trust_for)}
        trust.help_text = _("Do not use on a shared device")
        if not self.is_bound:
            self.fields["code"].widget.attrs["autofocus"] = True


class RecoveryCodeField(forms.CharField):
    """One of the printed codes."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"autocomplete": "off", "inputmode": "text", "class": "recovery-input", **_NO_CORRECTION}
        super().__init__(
            label=gettext_lazy("Recovery code"),
            help_text=gettext_lazy("Spaces, hyphens and capitals do not matter."),
            validators=[validate_text],
            error_messages={"required": gettext_lazy("Enter a recovery code")},
            widget=ForgetfulInput(attrs=attrs),
            **kwargs,
        )


class RecoveryCodeForm(PageForm):
    code = RecoveryCodeField()
    main_field = "code"


class MethodForm(PageForm):
    method = forms.ChoiceField(
        label=gettext_lazy("Ways that you have set up"),
        widget=forms.RadioSelect,
        error_messages={
            "required": gettext_lazy("Choose one of the ways"),
            "invalid_choice": gettext_lazy("Choose one of the ways"),
        },
    )
    main_field = "method"

    def __init__(self, *args: Any, methods: list[MethodView], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["method"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101 - narrows the type
        field.choices = [(method.type, method_label(method)) for method in methods]
        field.initial = methods[0].type


def check_shape(form: PageForm, field: str, about: tuple[str, ...]) -> None:
    """Say at *field* of *form* which rules the password there breaks."""
    password = form.cleaned_data.get(field)
    if password:
        try:
            passwords.check_policy(password, about=about)
        except Problem as problem:
            form.refuse({field: [str(error.detail) for error in problem.errors]})


def terms_label() -> SafeString:
    """Return the words beside the box for the terms, with the way to them."""
    terms = app_settings().TERMS_URL or reverse("accounts:terms")
    said = _('I agree to the <a href="{}" target="_blank" rel="noopener">terms (opens in a new tab)</a>')
    return format_html(said, terms)


def password_hint() -> SafeString:
    """Return the policy in force as the list that stands above the field."""
    return render_to_string("elements/rules.html", {"rules": passwords.policy().rules})


def method_label(method: MethodView) -> str:
    """Return the words for one way to answer a challenge."""
    match method.type:
        case "email":
            return _("A code by email to %(hint)s") % {"hint": method.hint}
        case "totp":
            return _("A code from your authenticator app")
        case _other:
            return _("One of your recovery codes")
