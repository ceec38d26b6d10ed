"""What staff do to accounts and sessions: each action with its permission, its words and its service."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy, ngettext_lazy

from accounts.models import User
from accounts.people import address_of, visible_sessions, visible_users
from accounts.services import credentials, lifecycle, ranks
from adminpanel.forms import ReasonForm, RoleForm
from sessions_app.models import Session


class Ends(StrEnum):
    """How many of the live sessions of those concerned an action ends."""

    NONE = "none"
    ONE = "one"
    ALL = "all"
    MAYBE_ALL = "maybe_all"


@dataclass(frozen=True)
class Target:
    """One row that an action touches, and what it is called."""

    user: User
    label: str
    session: Session | None = None


@dataclass(frozen=True, kw_only=True)
class StaffAction:
    """One thing that staff may do to some rows."""

    name: str
    permission: str
    button: Any
    question: Any  # with %(n)d
    consequence: Any
    done: Any  # with %(n)d
    ends: Ends
    targets: Callable[[User, list[str]], list[Target]]
    run: Callable[..., Any]
    form: type[ReasonForm] = ReasonForm

    @property
    def is_dangerous(self) -> bool:
        """Whether it surely signs somebody out."""
        return self.ends in (Ends.ONE, Ends.ALL)


def _users(viewer: User, ids: list[str]) -> list[Target]:
    found = visible_users(viewer).filter(pk__in=ids).order_by("email_key")
    return [Target(user, address_of(user, viewer)) for user in found]


def _ranked(viewer: User, ids: list[str]) -> list[Target]:
    return [Target(found.user, f"{found.label}, {found.user.get_role_display()}") for found in _users(viewer, ids)]


def _sessions(viewer: User, ids: list[str]) -> list[Target]:
    found = visible_sessions(viewer).live(timezone.now()).filter(pk__in=ids).select_related("user")
    return [Target(row.user, f"{address_of(row.user, viewer)}, {row.device_name}", row) for row in found.newest_first()]


def _to_account(service: Callable[..., object]) -> Callable[..., object]:
    """Return what does to the account of a target what *service* does."""

    def run(target: Target, **given: Any) -> object:
        return service(target=target.user, **given)

    return run


def _end(target: Target, **given: Any) -> None:
    lifecycle.end_sessions(target=target.user, only=target.session, **given)


DISABLE = StaffAction(
    name="disable",
    permission="users.disable",
    button=gettext_lazy("Disable"),
    question=ngettext_lazy("Disable %(n)d account", "Disable %(n)d accounts", "n"),
    consequence=gettext_lazy(
        "Whoever holds it is signed out everywhere at once and cannot sign in until it is enabled."
    ),
    done=ngettext_lazy("%(n)d account disabled.", "%(n)d accounts disabled.", "n"),
    ends=Ends.ALL,
    targets=_users,
    run=_to_account(lifecycle.disable),
)
ENABLE = StaffAction(
    name="enable",
    permission="users.enable",
    button=gettext_lazy("Enable"),
    question=ngettext_lazy("Enable %(n)d account", "Enable %(n)d accounts", "n"),
    consequence=gettext_lazy("Whoever holds it can sign in again."),
    done=ngettext_lazy("%(n)d account enabled.", "%(n)d accounts enabled.", "n"),
    ends=Ends.NONE,
    targets=_users,
    run=_to_account(lifecycle.enable),
)
UNLOCK = StaffAction(
    name="unlock",
    permission="users.unlock",
    button=gettext_lazy("Lift lockout"),
    question=ngettext_lazy("Lift the lockout of %(n)d account", "Lift the lockout of %(n)d accounts", "n"),
    consequence=gettext_lazy(
        "Failed sign-ins are forgotten, and sign-in is open again from everywhere at once, also to whoever tried "
        "before. Make sure who is asking."
    ),
    done=ngettext_lazy("The lockout of %(n)d account was lifted.", "The lockouts of %(n)d accounts were lifted.", "n"),
    ends=Ends.NONE,
    targets=_users,
    run=_to_account(lifecycle.unlock),
)
FORCE_RESET = StaffAction(
    name="force-reset",
    permission="users.reset",
    button=gettext_lazy("Force new password"),
    question=ngettext_lazy("Force a new password on %(n)d account", "Force a new password on %(n)d accounts", "n"),
    consequence=gettext_lazy(
        "The password is out of force at once. Whoever holds the account is signed out everywhere, and is mailed a "
        "link to set a new one."
    ),
    done=ngettext_lazy("%(n)d account needs a new password.", "%(n)d accounts need a new password.", "n"),
    ends=Ends.ALL,
    targets=_users,
    run=_to_account(credentials.force_reset),
)
RESET_FACTORS = StaffAction(
    name="reset-factors",
    permission="users.reset",
    button=gettext_lazy("Reset apps"),
    question=ngettext_lazy("Remove the apps of %(n)d account", "Remove the apps of %(n)d accounts", "n"),
    consequence=gettext_lazy(
        "Authenticator apps and recovery codes are gone for good, and whoever holds the account is signed out "
        "everywhere. A mailed code confirms the next sign-in; staff are mailed a link to set up an app. "
        "Make sure who is asking."
    ),
    done=ngettext_lazy("The apps of %(n)d account were removed.", "The apps of %(n)d accounts were removed.", "n"),
    ends=Ends.ALL,
    targets=_users,
    run=_to_account(credentials.reset_factors),
)
CHANGE_ROLE = StaffAction(
    name="role",
    permission="users.role",
    button=gettext_lazy("Change role"),
    question=ngettext_lazy("Change the role of %(n)d account", "Change the role of %(n)d accounts", "n"),
    consequence=gettext_lazy(
        "The new role holds at once. Whoever gets a lower one, or becomes staff, is signed out everywhere. Who becomes "
        "staff without an authenticator app is mailed a link to set one up, and cannot sign in before."
    ),
    done=ngettext_lazy("The role of %(n)d account was changed.", "The roles of %(n)d accounts were changed.", "n"),
    ends=Ends.MAYBE_ALL,
    targets=_ranked,
    run=_to_account(ranks.change_role),
    form=RoleForm,
)
DELETE = StaffAction(
    name="delete",
    permission="users.delete",
    button=gettext_lazy("Delete"),
    question=ngettext_lazy("Delete %(n)d account", "Delete %(n)d accounts", "n"),
    consequence=gettext_lazy(
        "Whoever holds it is signed out everywhere at once and can never sign in again. After a time of grace "
        "everything but the id, and what happened to it when, is erased, and the address is free. "
        "This cannot be undone."
    ),
    done=ngettext_lazy("%(n)d account deleted.", "%(n)d accounts deleted.", "n"),
    ends=Ends.ALL,
    targets=_users,
    run=_to_account(lifecycle.delete),
)
END_ALL = StaffAction(
    name="end-sessions",
    permission="users.sessions.end",
    button=gettext_lazy("End sessions"),
    question=ngettext_lazy("End the sessions of %(n)d account", "End the sessions of %(n)d accounts", "n"),
    consequence=gettext_lazy("Whoever holds it is signed out everywhere at once, and can sign in again."),
    done=ngettext_lazy("The sessions of %(n)d account were ended.", "The sessions of %(n)d accounts were ended.", "n"),
    ends=Ends.ALL,
    targets=_users,
    run=_end,
)
END_ONE = StaffAction(
    name="end",
    permission="users.sessions.end",
    button=gettext_lazy("End"),
    question=ngettext_lazy("End %(n)d session", "End %(n)d sessions", "n"),
    consequence=gettext_lazy("That device is signed out at once, and its holder can sign in again."),
    done=ngettext_lazy("%(n)d session ended.", "%(n)d sessions ended.", "n"),
    ends=Ends.ONE,
    targets=_sessions,
    run=_end,
)
ON_USERS = (DISABLE, ENABLE, UNLOCK, FORCE_RESET, RESET_FACTORS, END_ALL, CHANGE_ROLE, DELETE)
ON_SESSIONS = (END_ONE,)
ACTIONS = {action.name: action for action in (*ON_USERS, *ON_SESSIONS)}


def allowed(actions: tuple[StaffAction, ...], viewer: User) -> list[StaffAction]:
    """Return those of *actions* that the role of *viewer* gives."""
    return [action for action in actions if viewer.may(action.permission)]
