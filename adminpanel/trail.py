"""The audit trail for staff: read through audit.queries, written by nobody."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from adminpanel import cells
from adminpanel.readonly import ChoiceFilter, ReadOnlyAdmin
from audit import queries
from audit.models import Event
from gatehouse.events import EventType

_MOST_ACTIONS = 20
_DAYS = {"1": _("Last 24 hours"), "7": _("Last 7 days"), "30": _("Last 30 days")}


class TypeFilter(ChoiceFilter):
    title = _("Type")
    parameter_name = "type"
    options = tuple((kind.value, kind.value.replace("_", " ").capitalize()) for kind in EventType)

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        return queryset & queries.events(types=[chosen])


class OutcomeFilter(ChoiceFilter):
    title = _("Outcome")
    parameter_name = "success"
    options = (("1", _("Done")), ("0", _("Refused")))

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        return queryset & queries.events(success=chosen == "1")


class WhenFilter(ChoiceFilter):
    title = _("When")
    parameter_name = "days"
    options = tuple(_DAYS.items())

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        return queryset & queries.events(since=timezone.now() - timedelta(days=int(chosen)))


class GivenFilter(admin.SimpleListFilter):
    """A filter that figures lead to: on offer only while it holds, to be seen and to be taken off."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(self.value() or "", self.value() or "")] if self.value() else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        try:
            return queryset & queries.events(**self.filters(self.value() or ""))
        except (queries.FilterError, ValueError):
            return queryset.none()

    def filters(self, given: str) -> dict[str, Any]:
        raise NotImplementedError


class ActionFilter(GivenFilter):
    title = _("Event")
    parameter_name = "action"

    def filters(self, given: str) -> dict[str, Any]:
        return {"actions": given.split(",")[:_MOST_ACTIONS]}


class ReasonFilter(GivenFilter):
    title = _("Reason")
    parameter_name = "reason"

    def filters(self, given: str) -> dict[str, Any]:
        return {"reason": given}


class PlaceFilter(GivenFilter):
    title = _("From")
    parameter_name = "ip"

    def filters(self, given: str) -> dict[str, Any]:
        return {"ip": given}


class SinceFilter(GivenFilter):
    title = _("Not before")
    parameter_name = "since"

    def filters(self, given: str) -> dict[str, Any]:
        return {"since": _moment(given)}


class UntilFilter(GivenFilter):
    title = _("Before")
    parameter_name = "until"

    def filters(self, given: str) -> dict[str, Any]:
        return {"until": _moment(given)}


class EventAdmin(ReadOnlyAdmin):
    section = _("Events")
    read_permission = "audit.read"
    detail_template = "admin/event_detail.html"
    list_display = ("when", "what", "outcome", "who", "typed", "source")
    list_filter = (
        *(TypeFilter, OutcomeFilter, WhenFilter),
        *(ActionFilter, ReasonFilter, PlaceFilter, SinceFilter, UntilFilter),
    )
    search_fields = ("request_id",)  # shows the box; get_search_results() decides what is searched
    search_help_text = _("Exactly an address, or the id of a user, a session, a request or an event")
    ordering = ("-timestamp", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        return queries.events()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        try:
            found = queries.events(q=term)
            if _is_uuid(term):
                found |= queries.events(users=[term])
        except queries.FilterError:
            return queryset.none(), False
        return queryset & found, False

    def facts(self, shown: Event, viewer: User) -> dict[str, Any]:
        known = _is_uuid(shown.user_id or "") and User.objects.filter(pk=shown.user_id).exists()
        return {
            "badge": cells.outcome(shown),
            "details": json.dumps(shown.details, indent=2, ensure_ascii=False, default=str) if shown.details else "",
            "user_url": reverse("admin:accounts_user_change", args=[shown.user_id]) if known else "",
        }

    @admin.display(description=_("When"))
    def when(self, event: Event) -> Any:
        return cells.link(self.url_of(event.pk), cells.time(event.timestamp))

    @admin.display(description=_("Event"))
    def what(self, event: Event) -> SafeString:
        return cells.action(event.action)

    @admin.display(description=_("Outcome"))
    def outcome(self, event: Event) -> Any:
        return cells.outcome(event)

    @admin.display(description=_("Actor"))
    def who(self, event: Event) -> str:
        return event.actor_label or event.actor_type

    @admin.display(description=_("Address"))
    def typed(self, event: Event) -> Any:
        return cells.text(event.email)

    @admin.display(description=_("From"))
    def source(self, event: Event) -> Any:
        return cells.source(event.ip_address)


def _moment(text: str) -> datetime:
    """Return the moment that *text* names, in UTC where it has no zone. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(text) from error


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
