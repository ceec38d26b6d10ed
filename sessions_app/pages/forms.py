"""The one form of these pages; the service looks at the truth of what was typed."""

from collections.abc import Iterator
from typing import NamedTuple

from django import forms
from django.utils.translation import gettext_lazy as _

from gatehouse.problems import Problem


class SummaryItem(NamedTuple):
    """One line of the error summary: where it leads, and what it says."""

    id: str
    text: str


class DeviceNameForm(forms.Form):
    use_required_attribute = False

    name = forms.CharField(
        label=_("Name"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("Enter a name")},
    )

    def refuse(self, problem: Problem) -> None:
        """Show what the service said."""
        for error in problem.errors:
            self.add_error("name", str(error.detail))

    def summary(self) -> Iterator[SummaryItem]:
        """Yield the errors for the error summary."""
        for bound in self:
            for text in bound.errors:
                yield SummaryItem(bound.auto_id, str(text))
