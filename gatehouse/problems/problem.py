"""A refusal: an exception that every layer may raise and every door can answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.utils import timezone

from .table import PROBLEMS


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that was refused, by a code of the contract and words for people."""

    field: str
    code: str
    detail: str
    where: Literal["body", "query"] = "body"

    @property
    def pointer(self) -> str:
        """Where the field is: ``#/field`` in a body, ``?name`` in a query, ``#`` for the whole body."""
        if self.where == "query":
            return f"?{self.field}"
        return f"#/{self.field}" if self.field else "#"

    def as_json(self) -> dict[str, str]:
        """Return the members that the answer shows."""
        return {"pointer": self.pointer, "code": self.code, "detail": str(self.detail)}


class Problem(Exception):  # noqa: N818  (the name of RFC 9457; it is raised, returned and shown alike)
    """A refusal with a code of the contract. Every service raises it; views and middleware answer it."""

    def __init__(
        self,
        code: str,
        *,
        detail: str | None = None,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        kind = PROBLEMS[code]
        super().__init__(code)
        self.code = code
        self.status = kind.status
        self.title = kind.title
        self.detail = kind.detail if detail is None else detail
        self.errors = tuple(errors)
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        self.members = members

    @property
    def retry_at(self) -> datetime | None:
        """When the one who was refused may come again, or None."""
        if self.retry_after is None:
            return None
        return timezone.now() + timedelta(seconds=self.retry_after)


def validation(field: str, code: str, detail: str | None = None) -> Problem:
    """Return ``validation_failed`` with one refused field."""
    kind = PROBLEMS["validation_failed"]
    return Problem("validation_failed", errors=[FieldError(field, code, str(detail or kind.detail))])
