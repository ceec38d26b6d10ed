"""Opening, using, renewing and ending sessions: the only code that writes a Session; and what owners do to devices.

Read as ``from sessions_app import services as sessions``. What says "in the caller's transaction" refuses to run
outside one; ``rotate`` and what begins with ``end_``, ``remove_`` or ``rename_`` open a durable one of their own.
"""

from sessions_app.services.belongings import remove_device, remove_devices, rename_device
from sessions_app.services.ending import (
    end_by_access,
    end_by_refresh,
    end_every,
    end_others,
    end_own,
    expire,
    expire_locked,
    revoke,
    revoke_all,
    revoke_locked,
    use_after_end,
)
from sessions_app.services.erasing import erase
from sessions_app.services.opening import open, reauthenticated, stay, touch
from sessions_app.services.rotation import rotate
from sessions_app.services.rows import forget_state, lock

__all__ = [
    "end_by_access",
    "end_by_refresh",
    "end_every",
    "end_others",
    "end_own",
    "erase",
    "expire",
    "expire_locked",
    "forget_state",
    "lock",
    "open",
    "reauthenticated",
    "remove_device",
    "remove_devices",
    "rename_device",
    "revoke",
    "revoke_all",
    "revoke_locked",
    "rotate",
    "stay",
    "touch",
    "use_after_end",
]
