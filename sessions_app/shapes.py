"""What the API shows of sessions, devices and tokens."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from gatehouse.conf import app_settings as ground_settings
from gatehouse.places import place_of
from sessions_app.models import Device, Session, Transport
from sessions_app.tokens import Tokens


def session_shape(session: Session, *, current_id: UUID | None, now: datetime | None = None) -> dict[str, Any]:
    """Return *session* as the API shows it; an ended one says when, why and by whom besides.

    With *now* also one that time had ended by then, and that nobody has marked yet.
    ``place`` is there where the operator gives a file of places, and null for an address that the file does not know.
    """
    shape: dict[str, Any] = {
        "id": str(session.pk),
        "current": session.pk == current_id,
        "device": {"name": session.device_name, "kind": session.device_kind},
        "ip": session.ip,
        "transport": session.transport,
        "factors": list(session.factors),
        "created_at": moment(session.created_at),
        "last_used_at": moment(session.last_used_at),
        "expires_at": moment(session.expires_at),
    }
    if ground_settings().GEOIP_FILE:
        shape["place"] = place_of(session.ip) or None
    if session.revoked_at is not None:
        shape["revoked_at"] = moment(session.revoked_at)
        shape["revoked_reason"] = session.revoked_reason
        shape["revoked_by"] = session.revoked_by or None
    elif now is not None and (reason := session.end(now)) is not None:
        shape |= {"revoked_at": moment(session.expires_at), "revoked_reason": reason.value, "revoked_by": None}
    return shape


def device_shape(device: Device, *, current_id: UUID | None) -> dict[str, Any]:
    """Return *device* as the API shows it."""
    return {
        "id": str(device.pk),
        "name": device.called,
        "kind": device.kind,
        "current": device.pk == current_id,
        "first_seen_at": moment(device.first_seen_at),
        "last_seen_at": moment(device.last_seen_at),
        "trusted_until": moment(device.trusted_until) if device.trusted_until and device.is_trusted else None,
    }


def tokens_shape(tokens: Tokens, *, refresh: bool = True) -> dict[str, Any]:
    """Return *tokens* as the body shows them, with the *refresh* token unless it travels in a cookie."""
    shape: dict[str, Any] = {
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
    }
    if refresh and tokens.session.transport == Transport.BEARER:
        shape["refresh_token"] = tokens.refresh_token
    return shape


def moment(at: datetime) -> str:
    """Return *at* as RFC 3339 in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
