"""What others hold of a person whose account goes: the functions that ``ACCOUNTS["ERASERS"]`` names."""

from collections.abc import Collection
from uuid import UUID

from django.utils.module_loading import import_string

from accounts.conf import app_settings


def erase_elsewhere(*, user_id: UUID, addresses: Collection[str] = ()) -> None:
    """Have others erase what they hold of an account, inside the caller's transaction.

    *addresses* are the keys of those that were nobody else's.
    """
    for path in app_settings().ERASERS:
        import_string(path)(user_id=str(user_id), addresses=tuple(addresses))
