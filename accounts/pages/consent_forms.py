"""The forms in which somebody agrees, or does so no more."""

import json
from typing import Any

from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.conf import app_settings
from accounts.pages.forms import PageForm, terms_label
from accounts.services.consents import Choice
from accounts.templatetags.moments import moment


class ConsentsForm(PageForm):
    """A box for each choice. What was shown comes along, so that only what somebody changed is an answer."""

    shown = forms.CharField(required=False, widget=forms.HiddenInput)
    main_field = "shown"

    def __init__(self, data: Any = None, *, choices: list[Choice]) -> None:
        shown = json.dumps([[choice.version, choice.is_given] for choice in choices])
        super().__init__(data, initial={"shown": shown})
        self.choices = choices
        for number, choice in enumerate(choices):
            self.fields[f"agree_{number}"] = forms.BooleanField(
                required=False, initial=choice.is_given, label=_label(choice), help_text=_state(choice)
            )

    @property
    def is_stale(self) -> bool:
        """Whether other versions were shown than could be shown now."""
        return [version for version, _was in self._shown()] != [choice.version for choice in self.choices]

    def changes(self) -> dict[str, bool]:
        """Return what was ticked or unticked, by version."""
        ticked = [bool(self.cleaned_data[f"agree_{number}"]) for number in range(len(self.choices))]
        return {version: now for (version, was), now in zip(self._shown(), ticked, strict=True) if now != was}

    def _shown(self) -> list[tuple[str, bool]]:
        try:
            return [(str(version), was is True) for version, was in json.loads(self.cleaned_data["shown"])]
        except (ValueError, TypeError):
            return []


class AgreeForm(PageForm):
    """The terms alone, in the version that the page showed."""

    version = forms.CharField(widget=forms.HiddenInput, required=False)
    terms = forms.BooleanField(error_messages={"required": gettext_lazy("Agree to the terms to go on")})
    main_field = "terms"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["terms"].label = terms_label()
        self.fields["terms"].help_text = _("Version %(version)s") % {"version": app_settings().TERMS_VERSION}


def _label(choice: Choice) -> str | SafeString:
    if choice.is_required:
        return terms_label()
    return choice.text or choice.version


def _state(choice: Choice) -> SafeString:
    """Return what is said below a box: the version, and what was answered when."""
    last = choice.answer
    is_said = last is not None and last.granted and last.version == choice.version
    version = "" if is_said else _("Version %(version)s.") % {"version": choice.version}
    if last is None:
        said: str | SafeString = _("You have not answered yet.")
    elif last.granted:
        said = _("You agreed to version {version} on {time}.")
    else:
        said = _("You said no on {time}.")
    if last is not None:
        said = format_html(said, version=last.version, time=moment(last.at, "full"))
    asked = "" if choice.is_asked else _("This is asked of nobody any more.")
    return format_html("{} {} {}", version, said, asked)
