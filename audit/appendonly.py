"""Rows that are only ever added: what their models, querysets and managers refuse.

This layer gives a clear message early. The promise itself is kept by the database
(``immutability.py``), since raw SQL does not pass here.
"""

from collections.abc import Collection, Iterable
from typing import Any, NoReturn, TypeVar

from django.db import models

ModelT = TypeVar("ModelT", bound=models.Model)


class AppendOnlyError(Exception):
    """Raised by every method that would change, replace or remove a row of the trail."""

    def __init__(self, deed: str) -> None:
        super().__init__(f"The audit trail is append-only: {deed} is refused.")


class AppendOnlyQuerySet(models.QuerySet[ModelT]):
    """A queryset that reads and inserts, and refuses the rest."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError("update()")

    def _update(self, values: Any) -> NoReturn:
        raise AppendOnlyError("an UPDATE")

    _update.queryset_only = False  # type: ignore[attr-defined]

    def delete(self) -> NoReturn:
        raise AppendOnlyError("delete()")

    delete.queryset_only = True  # type: ignore[attr-defined]

    def _raw_delete(self, using: str | None) -> NoReturn:
        raise AppendOnlyError("a DELETE")

    def bulk_update(self, objs: Iterable[ModelT], fields: Iterable[str], batch_size: int | None = None) -> NoReturn:
        raise AppendOnlyError("bulk_update()")

    def update_or_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError("update_or_create()")

    def bulk_create(
        self,
        objs: Iterable[ModelT],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        update_conflicts: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[ModelT]:
        if ignore_conflicts or update_conflicts:
            raise AppendOnlyError("bulk_create() that forgives or overwrites a conflict")
        return super().bulk_create(objs, batch_size=batch_size)


class AppendOnlyModel(models.Model):
    """A row that can be inserted once and never touched again.

    Its querysets also serve as the base manager, so that Django's own machinery
    (``save_base``, the deletion collector, ``loaddata``) meets the same refusals.
    """

    objects = models.Manager.from_queryset(AppendOnlyQuerySet)()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the row; refuse to save one that is stored already."""
        if not self._state.adding or kwargs.get("force_update") or kwargs.get("update_fields"):
            raise AppendOnlyError("save() on a stored row")
        # Given a key, Django would try an UPDATE first.
        super().save(force_insert=True, using=kwargs.get("using"))

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnlyError("delete()")
