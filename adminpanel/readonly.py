"""What every list of the staff area has in common: it shows and never writes, and tells only what it means to."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ERROR_FLAG, ChangeList
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.models import User
from adminpanel.actions import StaffAction, allowed
from adminpanel.conf import app_settings

_READING = ("GET", "HEAD")


class CountedPaginator(Paginator):
    """Counts as far as a list is paged through, so that a long table costs no more than a short one."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list[: app_settings().LIST_COUNTED]
        return rows.count() if isinstance(rows, QuerySet) else len(rows)


class ChoiceFilter(admin.SimpleListFilter):
    """A filter that knows its values: another one is no filter at all, and never reaches the database."""

    options: ClassVar[Sequence[tuple[str, Any]]] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(self.options)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        chosen = self.value()
        if chosen not in {value for value, _label in self.options}:
            return queryset
        return self.narrow(queryset, str(chosen))

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        raise NotImplementedError


class NewestFirst(ChangeList):
    """A list in the one order that its indexes carry; sorting a long table by any column is not on offer."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return list(self.model_admin.ordering or ())


class ReadOnlyAdmin(admin.ModelAdmin):
    """A list and a page for each row, both for reading.

    1. Nothing is added, changed or deleted here, whatever is asked for: those pages do not exist, there are no
       stock actions, and the permissions say no besides (ASVS 8.2.1).
    2. A list is narrowed down by its own filters only: Django's would take any column in the address, and so read a
       hash out letter by letter (``?password__startswith=``).
    3. Staff actions are recorded in the trail, so Django's own log of changes stays empty.
    """

    section: Any
    read_permission: str
    detail_template: str
    acts: ClassVar[tuple[StaffAction, ...]] = ()
    actions = None
    list_display_links = None
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CountedPaginator
    view_on_site = False

    @property
    def list_per_page(self) -> int:  # type: ignore[misc]  # read anew, so that the setting holds at once
        """The rows on a page, as the setting says."""
        return app_settings().LIST_PAGE

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return isinstance(request.user, User) and request.user.may(self.read_permission)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NewestFirst

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup in {getattr(spec, "parameter_name", None) for spec in self.list_filter}

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path("", wrap(self.changelist_view), name=f"{name}_changelist"),
            path("<str:object_id>/", wrap(self.change_view), name=f"{name}_change"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method not in _READING:
            return HttpResponseNotAllowed(_READING)
        if ERROR_FLAG in request.GET:
            return redirect(request.path)
        viewer = self.viewer(request)
        context = {
            "acts": allowed(self.acts, viewer),
            "search_help_text": self.help_for(viewer),
            "counted": app_settings().LIST_COUNTED,
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in _READING:
            return HttpResponseNotAllowed(_READING)
        if not self.has_view_permission(request):
            raise PermissionDenied
        shown = self.get_object(request, object_id)
        if shown is None:
            self._tell_missing_from_hidden(object_id)
        viewer = self.viewer(request)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "section": self.section,
            "list_url": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"),
            "acts": allowed(self.acts, viewer),
            "object": shown,
            **self.facts(shown, viewer),
        }
        return TemplateResponse(request, self.detail_template, context)

    def facts(self, shown: Any, viewer: User) -> dict[str, Any]:
        """Return what the page of one row shows besides the row."""
        return {}

    def help_for(self, viewer: User) -> Any:
        """Return what *viewer* may search by."""
        return self.search_help_text or ""

    def viewer(self, request: HttpRequest) -> User:
        """Return the member of staff who looks."""
        if not isinstance(request.user, User):
            raise PermissionDenied
        return request.user

    def url_of(self, pk: Any) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[quote(pk)])

    def _tell_missing_from_hidden(self, object_id: str) -> None:
        """Raise for a row that is not shown: one that is hidden from this role is a refusal, worth its event."""
        try:
            hidden = self.model._default_manager.filter(pk=self.opts.pk.to_python(object_id)).exists()
        except ValidationError:
            hidden = False
        if hidden:
            raise PermissionDenied
        raise Http404
