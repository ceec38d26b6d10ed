"""Django's permissions, asked of the matrix of roles: nothing is stored, so nothing has to be kept in step with it."""

from typing import Any

from django.contrib.auth.backends import BaseBackend

from accounts.models import AbstractAccount
from accounts.roles import can_manage


class MatrixBackend(BaseBackend):
    """Answers ``user.has_perm("users.disable")``. It lets nobody in: every sign-in goes through the one gate."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Tell whether *user_obj* has a permission; with an account as *obj*, also whether it stands above that one."""
        if not isinstance(user_obj, AbstractAccount) or not user_obj.may(perm):
            return False
        return not isinstance(obj, AbstractAccount) or can_manage(user_obj, obj)

    def has_module_perms(self, user_obj: Any, app_label: str) -> bool:
        """Tell whether any permission of *user_obj* begins with the name, as in ``users.`` or ``audit.``."""
        return any(perm.startswith(f"{app_label}.") for perm in self.get_all_permissions(user_obj))

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return the permissions of an active account."""
        if not isinstance(user_obj, AbstractAccount) or not user_obj.is_active:
            return set()
        return set(user_obj.permissions) if obj is None else set()
