"""The report of the audit trail as a page of the staff area, and as a file to keep."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.views.generic import View

from accounts.models import User
from accounts.pages.forms import PageForm
from audit import queries, report
from audit.rendering import TYPES, file_name, render
from gatehouse.conf import app_settings as ground

_FIELDS = {"since": "since", "until": "until"}


class ReportForm(PageForm):
    """Which time a report is about, and in which form."""

    since = forms.DateTimeField(label=_("From"), required=False, help_text=_("Such as 2026-11-01 08:00, in UTC"))
    until = forms.DateTimeField(label=_("To"), required=False, help_text=_("Not included; empty for now"))
    bucket = forms.ChoiceField(label=_("By"), required=False, choices=[("day", _("Day")), ("hour", _("Hour"))])
    format = forms.ChoiceField(required=False, choices=[("", ""), *((form, form) for form in TYPES)])


class ReportPage(View):
    """Show the report that is asked for; with ``format`` it comes as a file."""

    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest) -> HttpResponse:
        viewer = request.user
        if not isinstance(viewer, User) or not viewer.may("audit.statistics"):
            raise PermissionDenied
        form = ReportForm(request.GET)
        made = self._made(form, addresses=viewer.may("audit.read"))
        wanted = form.cleaned_data.get("format") if made else ""
        if made and wanted:
            return HttpResponse(
                render(made, wanted),
                content_type=TYPES[wanted],
                headers={"Content-Disposition": f'attachment; filename="{file_name(made, wanted)}"'},
            )
        query = request.GET.copy()
        query.pop("format", None)
        context: dict[str, Any] = {
            **admin.site.each_context(request),
            "form": form,
            "report": made,
            "name": ground().SITE_NAME,
            "linked": viewer.may("audit.read"),
            "forms": TYPES,
            "query": query.urlencode(),
        }
        return TemplateResponse(request, "admin/report.html", context, status=200 if made else 422)

    def _made(self, form: ReportForm, *, addresses: bool) -> report.Report | None:
        """Return the report, or None where the form says why there is none."""
        if not form.is_valid():
            return None
        asked = {name: form.cleaned_data[name] for name in _FIELDS}
        try:
            return report.make(**asked, bucket=form.cleaned_data["bucket"] or "day", addresses=addresses)
        except queries.FilterError as error:
            form.add_error(_FIELDS.get(error.name), error.says.capitalize())
            return None
