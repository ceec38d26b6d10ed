"""What people agreed to, and when."""

from collections.abc import Collection, Iterable
from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.db import models

from accounts import lengths
from gatehouse.ids import uuid7

TERMS = "terms"  # the purpose that an account needs; every other is optional


def purpose_of(version: str) -> str:
    """Return the purpose that an optional version names: what stands before its first hyphen."""
    return version.partition("-")[0]


class ConsentStands(Exception):  # noqa: N818  (a condition, like every refusal here)
    """Raised by whatever would change or remove an answer: a new one is written instead."""

    def __init__(self) -> None:
        super().__init__("A consent is never changed or removed: write a new one.")


class ConsentQuerySet(models.QuerySet["Consent"]):
    """Answers, to be read and added to. Django removes those of a removed account past this, by the base manager."""

    def newest_first(self) -> "ConsentQuerySet":
        """Order by time, the newest first; of two at one moment the one that was written later."""
        return self.order_by("-at", "-id")

    def update(self, **kwargs: Any) -> NoReturn:
        raise ConsentStands

    def _update(self, values: Any) -> NoReturn:
        raise ConsentStands

    _update.queryset_only = False  # type: ignore[attr-defined]

    def delete(self) -> NoReturn:
        raise ConsentStands

    delete.queryset_only = True  # type: ignore[attr-defined]

    def _raw_delete(self, using: str | None) -> NoReturn:
        raise ConsentStands

    def bulk_update(self, objs: Iterable["Consent"], fields: Iterable[str], batch_size: int | None = None) -> NoReturn:
        raise ConsentStands

    def update_or_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ConsentStands

    def bulk_create(
        self,
        objs: Iterable["Consent"],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        update_conflicts: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list["Consent"]:
        if ignore_conflicts or update_conflicts:
            raise ConsentStands
        return super().bulk_create(objs, batch_size=batch_size)


class Consent(models.Model):
    """One answer about a purpose: given, or withdrawn and refused. The newest about a purpose is the one that counts.

    Written by ``services/consents.py`` and, for imported accounts, ``services/importing.py``; never changed; read by
    its owner and by staff; gone with the user.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="consents")
    purpose = models.CharField(max_length=40, default=TERMS)
    version = models.CharField(max_length=lengths.VERSION)
    granted = models.BooleanField()
    at = models.DateTimeField()
    ip = models.GenericIPAddressField(null=True)

    objects: ClassVar[models.Manager["Consent"]] = ConsentQuerySet.as_manager()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user", "at"], name="accounts_consent_user_at"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.version}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write the row once; raises ConsentStands for a second time."""
        if not self._state.adding or kwargs.get("force_update") or kwargs.get("update_fields"):
            raise ConsentStands
        super().save(force_insert=True, using=kwargs.get("using"))

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ConsentStands
