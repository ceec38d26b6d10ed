"""Sessions and devices in the words of the pages about them."""

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from sessions_app.models import Device, Door, Session

_FACTORS = {
    "password": _("password"),
    "email": _("emailed code"),
    "totp": _("authenticator app"),
    "recovery": _("recovery code"),
    "device": _("trusted device"),
    "passkey": _("passkey"),
}
_KINDS = {
    "desktop": _("Computer"),
    "mobile": _("Phone"),
    "tablet": _("Tablet"),
    "app": _("App"),
    "bot": _("Program"),
}
_CLIENTS = {Door.API: _("App"), Door.PAGE: _("Browser"), Door.STAFF: _("Staff area")}


@dataclass(frozen=True)
class Described:
    """One session as the page shows it."""

    session: Session
    is_current: bool
    client: str
    factors: list[str]


def described(session: Session, *, current: Session) -> Described:
    """Return *session* in words; a factor that has no word here is shown as it is."""
    return Described(
        session=session,
        is_current=session.pk == current.pk,
        client=str(_CLIENTS[Door(session.door)]),
        factors=[str(_FACTORS.get(factor, factor)) for factor in session.factors],
    )


def kind_of(device: Device) -> str:
    """Return what kind of thing *device* is; nothing where nobody knows."""
    return str(_KINDS.get(device.kind, ""))
