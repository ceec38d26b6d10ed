from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.people import address_of, visible_sessions
from accounts.roles import can_manage
from adminpanel import cells
from adminpanel.actions import ON_SESSIONS, allowed
from adminpanel.conf import app_settings
from adminpanel.readonly import ChoiceFilter, ReadOnlyAdmin
from audit import queries
from sessions_app.models import Door, Session

DOORS = {Door.API: _("API"), Door.PAGE: _("Pages"), Door.STAFF: _("Staff area")}


class StateFilter(ChoiceFilter):
    title = _("State")
    parameter_name = "state"
    options = (("live", _("Live")), ("ended", _("Ended")))

    def narrow(self, queryset: Any, chosen: str) -> QuerySet[Any]:
        now = timezone.now()
        if chosen == "live":
            return queryset.live(now)
        return queryset.over(now)


class DoorFilter(ChoiceFilter):
    title = _("Door")
    parameter_name = "door"
    options = tuple((door.value, label) for door, label in DOORS.items())

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        return queryset.filter(door=chosen)


class SessionAdmin(ReadOnlyAdmin):
    section = _("Sessions")
    read_permission = "users.sessions.read"
    detail_template = "admin/session_detail.html"
    acts = ON_SESSIONS
    list_display = ("state", "door_name", "came_by", "source", "opened", "last_used")
    list_filter = (StateFilter, DoorFilter)
    search_fields = ("id",)
    search_help_text = _("The id of a session or of a user")
    ordering = ("-created_at", "-id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        found = visible_sessions(self.viewer(request)).select_related("user")
        secrets = ("user__password", "refresh_id", "previous_refresh_id")
        return found.defer(*secrets).order_by(*self.ordering)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Give the owner's address as this viewer may see it."""
        viewer = self.viewer(request)

        @admin.display(description=_("Owner"))
        def owner(session: Session) -> Any:
            return cells.link(self.url_of(session.pk), address_of(session.user, viewer))

        return [owner, *self.list_display]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Session], search_term: str
    ) -> tuple[QuerySet[Session], bool]:
        if not search_term.strip():
            return queryset, False
        try:
            wanted = UUID(search_term.strip())
        except ValueError:
            return queryset.none(), False
        return queryset.filter(Q(pk=wanted) | Q(user_id=wanted)), False

    def facts(self, shown: Session, viewer: User) -> dict[str, Any]:
        events = queries.events(session=shown.pk)[: app_settings().TIMELINE]
        return {
            "address": address_of(shown.user, viewer),
            "user_url": reverse("admin:accounts_user_change", args=[shown.user_id]),
            "badge": cells.session_state(shown, timezone.now()),
            "acts": allowed(ON_SESSIONS, viewer) if _may_end(shown, viewer) else [],
            "door": DOORS[Door(shown.door)],
            "events": cells.happened(events, viewer),
        }

    @admin.display(description=_("State"))
    def state(self, session: Session) -> Any:
        return cells.session_state(session, timezone.now())

    @admin.display(description=_("Door"))
    def door_name(self, session: Session) -> Any:
        return DOORS[Door(session.door)]

    @admin.display(description=_("Device"))
    def came_by(self, session: Session) -> Any:
        return cells.text(session.device_name)

    @admin.display(description=_("From"))
    def source(self, session: Session) -> Any:
        return cells.source(session.ip)

    @admin.display(description=_("Opened"))
    def opened(self, session: Session) -> Any:
        return cells.time(session.created_at)

    @admin.display(description=_("Last used"))
    def last_used(self, session: Session) -> Any:
        return cells.time(session.last_used_at)


def _may_end(session: Session, viewer: User) -> bool:
    return can_manage(viewer, session.user) and session.end(timezone.now()) is None
