"""What a query may ask of the trail, and the filters of ``queries`` that this means."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.utils.translation import gettext
from rest_framework import exceptions, serializers

from audit import queries
from gatehouse.api import StrictCharField, StrictSerializer
from gatehouse.lists import PageQuerySerializer
from gatehouse.problems import FieldError, Problem
from gatehouse.trail import TrailScope

_MOST = 20  # values of one filter that may repeat
_NAMES = {"type": "types", "action": "actions", "user": "users", "as": "as_role"}


class FilterSerializer(StrictSerializer):
    """The filters of events."""

    type = serializers.ListField(
        child=StrictCharField(max_length=50), required=False, max_length=_MOST, help_text="May repeat."
    )
    action = serializers.ListField(
        child=StrictCharField(max_length=100), required=False, max_length=_MOST, help_text="May repeat."
    )
    user = serializers.ListField(
        child=StrictCharField(max_length=255), required=False, max_length=_MOST, help_text="An id. May repeat."
    )
    email = StrictCharField(required=False, max_length=254, help_text="As typed, also where no account has it.")
    success = serializers.ChoiceField(["true", "false"], required=False)
    ip = StrictCharField(
        required=False, max_length=49, help_text="An address, or one of the prefixes /24 /16 of IPv4, /64 /48 of IPv6."
    )
    resource = StrictCharField(required=False, max_length=1000, help_text="What it begins with.")
    session = StrictCharField(required=False, max_length=64)
    request_id = StrictCharField(required=False, max_length=64)
    since = serializers.DateTimeField(required=False, help_text="Inclusive.")
    until = serializers.DateTimeField(required=False, help_text="Exclusive.")
    q = StrictCharField(
        required=False, max_length=254, help_text="Exactly an address, or the id of an event, a request or a session."
    )

    def get_fields(self) -> dict[str, Any]:
        """Add the field whose name is a word of Python."""
        says = "In which part the users are looked for; without it in either."
        return {
            **super().get_fields(),
            "as": serializers.ChoiceField(["actor", "subject"], required=False, help_text=says),
        }

    def to_internal_value(self, data: Any) -> Any:
        """Refuse a filter that was left empty: taken for none, it would find everything."""
        blank = exceptions.ErrorDetail(gettext("Give this a value, or leave it out."), code="blank")
        if empty := {str(name): [blank] for name in self.fields if "" in data.getlist(name)}:
            raise exceptions.ValidationError(empty)
        return super().to_internal_value(data)


class EventsQuerySerializer(FilterSerializer, PageQuerySerializer):
    """The filters, and which page."""


def filters_of(asked: dict[str, Any], scope: TrailScope) -> dict[str, Any]:
    """Return the filters that a query *asked* for, within *scope*.

    Raises permission_denied for a search by address where the scope has none.
    """
    found = {_NAMES.get(name, name): value for name, value in asked.items() if name not in {"limit", "cursor"}}
    if "success" in found:
        found["success"] = found["success"] == "true"
    if not scope.sees_addresses and ("email" in found or "@" in found.get("q", "")):
        raise Problem("permission_denied")
    return {**found, "scope": scope}


@contextmanager
def refusals_named() -> Iterator[None]:
    """Tell which parameter a filter that cannot be right came from. Raises validation_failed."""
    try:
        yield
    except queries.FilterError as error:
        names = {filter_name: name for name, filter_name in _NAMES.items()}
        name = names.get(error.name, error.name)
        raise Problem("validation_failed", errors=[FieldError(name, "invalid", error.says, "query")]) from None
