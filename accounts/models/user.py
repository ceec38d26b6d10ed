"""The account: who somebody is, what they may do, and whether they may come in."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar, Self

from django.contrib import auth
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import lengths, lockout
from accounts.managers import AccountManager
from accounts.roles import RANK, STAFF_ROLES, Role, permissions_of
from gatehouse.fields import KeyField
from gatehouse.ids import uuid7
from gatehouse.reasons import MAX_REASON
from gatehouse.text import EMAIL_MAX_LENGTH, normalise_email


class Status(models.TextChoices):
    """Where an account is in its life; whether it is locked out is the limits' affair: see is_locked()."""

    INACTIVE = "inactive", _("Inactive")
    ACTIVE = "active", _("Active")
    DISABLED = "disabled", _("Disabled")
    DELETED = "deleted", _("Deleted")


class AbstractAccount(AbstractBaseUser):
    """An account for host projects to build on.

    Written by the services of this app; read everywhere; the row outlives deletion, and its erasure too: what is left
    then is the id and the times at which it was made, deleted and erased (accounts/services/erasure.py).
    ``is_active`` and ``is_staff`` are columns that follow from status and role: only :meth:`set_status`
    and :meth:`set_role` write the four, and a constraint each holds them together.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.CharField(_("email address"), max_length=EMAIL_MAX_LENGTH)
    email_key = KeyField(max_length=320, unique=True, editable=False)
    display_name = models.CharField(_("display name"), max_length=lengths.DISPLAY_NAME, blank=True, default="")
    role = models.CharField(_("role"), max_length=20, choices=Role.choices, default=Role.USER)
    status = models.CharField(_("status"), max_length=20, choices=Status.choices, default=Status.INACTIVE)
    is_active = models.BooleanField(default=False, editable=False)
    is_staff = models.BooleanField(default=False, editable=False)

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    email_verified_at = models.DateTimeField(null=True, blank=True, editable=False)
    password_changed_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_reason = models.CharField(max_length=MAX_REASON, blank=True, default="", editable=False)
    disabled_by = models.CharField(max_length=64, blank=True, default="", editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    deleted_reason = models.CharField(max_length=MAX_REASON, blank=True, default="", editable=False)
    deleted_by = models.CharField(max_length=64, blank=True, default="", editable=False)
    erase_at = models.DateTimeField(null=True, blank=True, editable=False)  # asked for by its owner, or set by staff
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)
    terms_version = models.CharField(max_length=lengths.VERSION, blank=True, default="", editable=False)
    terms_given_at = models.DateTimeField(null=True, blank=True, editable=False)

    USERNAME_FIELD = "email_key"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[AccountManager[Self]] = AccountManager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.email

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.email, self.email_key = normalise_email(self.email)
        update_fields = kwargs.get("update_fields")
        if update_fields is not None and "email" in update_fields:
            kwargs["update_fields"] = {*update_fields, "email_key"}
        super().save(*args, **kwargs)

    @property
    def email_verified(self) -> bool:
        return self.email_verified_at is not None

    @property
    def is_leaving(self) -> bool:
        """Whether its owner asked for the erasure that is due at ``erase_at``, and may go on until then."""
        return self.erase_at is not None and self.status != Status.DELETED

    @property
    def is_due(self) -> bool:
        """Whether it is too late to keep the account."""
        return self.erase_at is not None and self.erase_at <= timezone.now()

    @property
    def is_superuser(self) -> bool:
        return self.role == Role.SUPER_ADMIN

    @property
    def permissions(self) -> frozenset[str]:
        """What the role gives and what was given for a time; a list of accounts is asked by people.py."""
        return permissions_of(self.role) | self.given_permissions()

    def given_permissions(self) -> frozenset[str]:
        """Return what a super admin gave beside the role and is in force; what is for staff counts for staff alone.

        So it is by one query, and by none for a user, whose role gives all that could count.
        """
        if not self.is_staff and permissions_of(Role.USER) <= permissions_of(self.role):
            return frozenset()
        grants: Any = self.grants  # type: ignore[attr-defined]  # the relation of Grant to AUTH_USER_MODEL
        return self.counted(grants.in_force(timezone.now()).values_list("permission", flat=True))

    def counted(self, given: Iterable[str]) -> frozenset[str]:
        """Return those of the *given* permissions that count: of somebody who is no staff, what a user has."""
        return frozenset(given) if self.is_staff else frozenset(given) & permissions_of(Role.USER)

    @property
    def limit_kind(self) -> str:
        """Whose limit of requests to the API holds: guest, user or staff (gatehouse/callers.py)."""
        return "staff" if self.is_staff else "guest" if self.role == Role.GUEST else "user"

    @property
    def rank(self) -> int:
        return RANK[Role(self.role)]

    @property
    def locked_until(self) -> datetime | None:
        """When the last lockout that runs against strangers ends, None where none does.

        No column: each look asks the store of the limits and the records of failures, by two queries. A list asks
        accounts.lockout.states() once for all of its rows.
        """
        return lockout.locked_until(email_key=self.email_key)

    @property
    def failed_sign_ins(self) -> int:
        """How many failed sign-ins are on record; asked like ``locked_until``."""
        return lockout.failed_sign_ins(email_key=self.email_key)

    def is_locked(self) -> bool:
        """Tell whether sign-in is refused to a stranger now, from anywhere or some network. See ``locked_until``."""
        return self.locked_until is not None

    def set_status(self, status: Status) -> None:
        """Move the account to *status*, and with it ``is_active``."""
        self.status = status
        self.is_active = status == Status.ACTIVE

    def set_role(self, role: Role) -> None:
        """Give the account *role*, and with it ``is_staff``."""
        self.role = role
        self.is_staff = role in STAFF_ROLES

    def replace_password(self, encoded: str, now: datetime) -> None:
        """Take *encoded*, a hash made by :func:`accounts.passwords.hash_new_password`, as the password."""
        self.password = encoded
        self.password_changed_at = now

    def may(self, permission: str) -> bool:
        """Tell whether the account is active and has *permission*, by the role or given for a time.

        What the role gives is told without a query; what it does not, is looked for by one.
        """
        if not self.is_active:
            return False
        return permission in permissions_of(self.role) or permission in self.given_permissions()

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Ask the authentication backends, as Django does; ours answers by the matrix: accounts/backends.py."""
        backends: list[Any] = auth.get_backends()
        try:
            return any(backend.has_perm(self, perm, obj) for backend in backends)
        except PermissionDenied:  # a backend of a host may end the asking so
            return False

    def has_perms(self, perm_list: Iterable[str], obj: Any = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        asked = (getattr(backend, "has_module_perms", None) for backend in auth.get_backends())
        return any(has(self, app_label) for has in asked if has is not None)


def account_constraints() -> list[models.BaseConstraint]:
    """Return the constraints that tie is_active to status and is_staff to role."""
    active = Q(status=Status.ACTIVE, is_active=True) | (~Q(status=Status.ACTIVE) & Q(is_active=False))
    staff = Q(role__in=STAFF_ROLES, is_staff=True) | (~Q(role__in=STAFF_ROLES) & Q(is_staff=False))
    return [
        models.CheckConstraint(condition=active, name="accounts_user_active_is_status"),
        models.CheckConstraint(condition=staff, name="accounts_user_staff_is_role"),
        models.CheckConstraint(condition=Q(status__in=Status.values), name="accounts_user_status_known"),
        models.CheckConstraint(condition=Q(role__in=Role.values), name="accounts_user_role_known"),
    ]


class User(AbstractAccount):  # type: ignore[django-manager-missing]  # django-otp gives its relation no manager
    """The account of a Gatehouse that runs alone."""

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints: ClassVar[list[models.BaseConstraint]] = account_constraints()
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["status"], name="accounts_user_status"),
            models.Index(fields=["role"], name="accounts_user_role"),
            models.Index(fields=["created_at"], name="accounts_user_created_at"),
            models.Index(fields=["erase_at"], name="accounts_user_erase_at"),
        ]
