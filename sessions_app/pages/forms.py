"""The one form of these pages; the service looks at the truth of what was typed."""

from collections.abc import Iterator

from django import forms
from django.utils.translation import gettext_lazy as _

from gatehouse.pages import SummaryItem
from gatehouse.problems import Problem


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
