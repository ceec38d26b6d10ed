from typing import Any

from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import lockout
from accounts.models import Consent, Status, TotpDevice, User
from accounts.people import WHOLE, address_of, matching, visible_users
from accounts.roles import Role, can_manage
from accounts.services import factors, lockouts
from adminpanel import cells
from adminpanel.actions import (
    CHANGE_ROLE,
    DELETE,
    DISABLE,
    ENABLE,
    END_ALL,
    FORCE_RESET,
    ON_USERS,
    RESET_FACTORS,
    UNLOCK,
    StaffAction,
    allowed,
)
from adminpanel.conf import app_settings
from adminpanel.readonly import ChoiceFilter, NewestFirst, ReadOnlyAdmin
from audit import queries
from sessions_app.models import Session


class StatusFilter(ChoiceFilter):
    title = _("Status")
    parameter_name = "status"
    options = Status.choices

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        return queryset.filter(status=chosen)


class RoleFilter(ChoiceFilter):
    title = _("Role")
    parameter_name = "role"
    options = Role.choices

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        return queryset.filter(role=chosen)


class LockFilter(ChoiceFilter):
    title = _("Lockout")
    parameter_name = "lockout"
    options = (("running", _("Locked out now")),)

    def narrow(self, queryset: QuerySet[Any], chosen: str) -> QuerySet[Any]:
        return lockouts.locked(queryset)


class UserList(NewestFirst):
    """Asks the store of lockouts once for all rows of a page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        states = lockout.states(user.email_key for user in rows)
        for user in rows:
            user.lock_state = states[user.email_key]
        self.result_list = rows


class UserAdmin(ReadOnlyAdmin):
    section = _("Users")
    read_permission = "users.read"
    detail_template = "admin/user_detail.html"
    acts = ON_USERS
    list_display = ("state", "role_name", "verified", "last_sign_in", "live", "lockout")
    list_filter = (StatusFilter, RoleFilter, LockFilter)
    search_fields = ("email_key",)
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        live = Session.objects.live(timezone.now()).filter(user=OuterRef("pk")).order_by().values("user")
        number = Subquery(live.annotate(number=Count("pk")).values("number"), output_field=IntegerField())
        return visible_users(self.viewer(request)).annotate(live_sessions=Coalesce(number, 0)).order_by(*self.ordering)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[UserList]:
        return UserList

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Give the address as this viewer may see it."""
        viewer = self.viewer(request)

        @admin.display(description=_("Address"))
        def address(user: User) -> Any:
            return cells.link(self.url_of(user.pk), address_of(user, viewer))

        return [address, *self.list_display]

    def help_for(self, viewer: User) -> Any:
        return _("The beginning of an address, or an id") if viewer.may(WHOLE) else _("An id")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Find by id, or by the beginning of an address; the latter never for those to whom addresses are masked."""
        return matching(queryset, search_term, self.viewer(request)), False

    def facts(self, shown: Any, viewer: User) -> dict[str, Any]:
        shown_rows, now = app_settings().TIMELINE, timezone.now()
        apps = TotpDevice.objects.filter(user=shown, confirmed=True).only("name", "confirmed_at", "last_used_at")
        codes, lock = factors.recovery_codes_left(shown), lockout.states([shown.email_key])[shown.email_key]
        sessions = Session.objects.for_user(shown).newest_first()[:shown_rows]
        return {
            "address": address_of(shown, viewer),
            "badge": cells.status(shown),
            "apps": apps,
            "recovery_left": codes,
            "password_set": shown.password_changed_at,
            "sessions": [(row, cells.session_state(row, now)) for row in sessions],
            "events": cells.happened(queries.timeline(shown.pk)[:shown_rows], viewer),
            "consents": Consent.objects.filter(user=shown).newest_first(),
            "events_url": f"{reverse('admin:audit_event_changelist')}?q={shown.pk}" if viewer.may("audit.read") else "",
            "sessions_url": f"{reverse('admin:sessions_app_session_changelist')}?q={shown.pk}",
            "lock": lock,
            "acts": _possible(shown, viewer, lock, has_factors=bool(apps) or codes > 0),
            "is_self": shown.pk == viewer.pk,
        }

    @admin.display(description=_("Status"))
    def state(self, user: User) -> Any:
        return cells.status(user)

    @admin.display(description=_("Role"))
    def role_name(self, user: User) -> Any:
        return Role(user.role).label

    @admin.display(description=_("Address confirmed"))
    def verified(self, user: User) -> Any:
        return cells.time(user.email_verified_at, _("No"))

    @admin.display(description=_("Last sign-in"))
    def last_sign_in(self, user: User) -> Any:
        return cells.time(user.last_login)

    @admin.display(description=_("Live sessions"))
    def live(self, user: Any) -> int:
        return int(user.live_sessions)

    @admin.display(description=_("Locked until"))
    def lockout(self, user: Any) -> Any:
        state = user.lock_state
        return cells.lines(cells.time(state.until, _("No")), _("%(n)d failed") % {"n": state.failures})


def _possible(user: User, viewer: User, lock: lockout.LockState, *, has_factors: bool) -> list[StaffAction]:
    """Return what *viewer* may do to *user* and makes sense as things stand; the services decide all the same."""
    if not can_manage(viewer, user):
        return []
    match user.status:
        case Status.DELETED:
            return []
        case Status.DISABLED:
            return allowed((ENABLE, CHANGE_ROLE, DELETE), viewer)
        case _other:
            counted = (UNLOCK,) if lock.until or lock.failures else ()
            active = (FORCE_RESET,) if user.status == Status.ACTIVE else ()
            apps = (RESET_FACTORS,) if has_factors else ()
            return allowed((DISABLE, *counted, *active, *apps, END_ALL, CHANGE_ROLE, DELETE), viewer)
