"""The signals of this app."""

from django.dispatch import Signal

from gatehouse import events

# Sent inside the transaction of the change it tells of; a receiver that fails rolls the change back.
# Arguments: event, a frozen dataclass of sessions_app.events.
security_event = Signal()

# Sent after the commit; a receiver that fails is logged and ignored.
# Arguments: user, the account; device, the sessions_app.models.Device; client, the gatehouse.client.Client.
new_device_seen = Signal()


def announce(event: events.SecurityEvent) -> None:
    """Send *event* to whoever records it, in the caller's transaction."""
    events.send(security_event, event)
