"""Which sessions a command means: those of an account, one, those from a network, of a role, or all.

This app knows of an account its key alone; whose key an address or a role is, the callable says that
``SESSIONS["OWNERS"]`` names.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from gatehouse.client import normalise_ip
from sessions_app.conf import app_settings
from sessions_app.models import Session, SessionQuerySet

KINDS = ("user", "session", "ip", "role", "all")
_OF_ONE_ACCOUNT = frozenset({"user", "session"})
_MAPPED = 96  # bits before the IPv4 address in an IPv6 one that stands for it


class Unselectable(LookupError):  # noqa: N818  (a condition, like every refusal here)
    """Raised by select(): nothing is meant by that. Its text is for whoever typed it."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Sessions, live or not. *named* is what the trail may know of the choice: no address of a person."""

    kind: str
    rows: SessionQuerySet
    user: Any = None  # the one account that owns them all, where that is how they were chosen
    session_id: UUID | None = None
    named: str | None = None
    network: IPv4Network | IPv6Network | None = None  # no database asks for it alike, so matches() does

    @property
    def is_of_one_account(self) -> bool:
        return self.kind in _OF_ONE_ACCOUNT

    def matches(self, ip: str | None) -> bool:
        """Whether a session of *rows* that was last used from *ip* is meant."""
        return self.network is None or (ip is not None and ip_address(ip) in self.network)


def select(kind: str, value: str) -> Selection:
    """Return the sessions that *value* means as a *kind* of KINDS; raises Unselectable."""
    match kind:
        case "user":
            user = owners("user", value).first()
            if user is None:
                raise Unselectable(f"There is no account {value}.")
            return Selection(kind=kind, rows=Session.objects.for_user(user), user=user)
        case "session":
            return _one(value)
        case "ip":
            return _from_network(value)
        case "role":
            rows = Session.objects.filter(user_id__in=owners("role", value).values("pk"))
            return Selection(kind=kind, rows=rows, named=value)
        case _:
            return Selection(kind="all", rows=Session.objects.all())


def owners(kind: str, value: str) -> QuerySet[Any]:
    """Return the accounts that *value* means as a *kind*, ``user`` or ``role``; raises Unselectable."""
    path = app_settings().OWNERS
    if not path:
        return by_id(kind, value)
    try:
        found: QuerySet[Any] = import_string(path)(kind, value)
    except ValueError as error:
        raise Unselectable(str(error)) from None
    return found


def by_id(kind: str, value: str) -> QuerySet[Any]:
    """Return the account whose key *value* is: all that can be told of any user model."""
    if kind != "user":
        raise Unselectable(f"What a {kind} is, SESSIONS['OWNERS'] has to say; it names nothing.")
    model = get_user_model()
    try:
        key = model._meta.pk.to_python(value)
    except ValidationError:
        return model._default_manager.none()
    return model._default_manager.filter(pk=key)


def _one(value: str) -> Selection:
    try:
        session = Session.objects.select_related("user").filter(pk=UUID(value)).first()
    except ValueError:
        session = None
    if session is None:
        raise Unselectable(f"There is no session {value}.")
    rows = Session.objects.filter(pk=session.pk)
    return Selection(kind="session", rows=rows, user=session.user, session_id=session.pk)


def _from_network(value: str) -> Selection:
    try:
        network = ip_network(value if "/" in value else normalise_ip(value) or value, strict=False)
    except ValueError:
        raise Unselectable(f"{value} is neither an address nor a network like 192.0.2.0/24.") from None
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen >= _MAPPED:
        network = ip_network((network.network_address.ipv4_mapped, network.prefixlen - _MAPPED))
    known = Session.objects.filter(ip__isnull=False)
    if network.num_addresses == 1:
        return Selection(kind="ip", rows=known.filter(ip=str(network.network_address)), named=str(network))
    return Selection(kind="ip", rows=known, named=str(network), network=network)
