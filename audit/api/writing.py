"""What another service may write into the trail: its shape, checked field by field."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from audit import kinds
from audit.conf import app_settings
from audit.models import Event
from audit.recording import record
from gatehouse.api import StrictBooleanField, StrictCharField, StrictSerializer
from gatehouse.client import Client
from gatehouse.events import Actor, FailureReason
from gatehouse.text import UnsafeText, clean_text

_MESSAGE_LENGTH = 2000


class DetailsField(serializers.DictField):
    """A JSON object of a bounded size, without texts that no row holds as they are."""

    default_error_messages = {
        "invalid": _("An object."),
        "unsafe": _("Take out characters that cannot be seen."),
        "max_length": _("More than {limit} bytes of JSON."),
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object."""
        if not isinstance(data, dict):
            self.fail("invalid")
        for text in _texts(data):
            try:
                clean_text(text, multiline=True)
            except UnsafeText:
                raise ValidationError(self.error_messages["unsafe"], code="invalid") from None
        limit = app_settings().DETAILS_MAX_BYTES
        if len(json.dumps(data).encode()) > limit:
            self.fail("max_length", limit=limit)
        return data


class EventToWriteSerializer(StrictSerializer):
    event_type = StrictCharField(max_length=50, help_text="FILE_ACCESS, or a type that this site added.")
    action = StrictCharField(max_length=100, help_text="Of a file: upload, download, delete, move or rename.")
    resource = StrictCharField(max_length=1000)
    success = StrictBooleanField()
    details = DetailsField(required=False, help_text="Of a file: docs/files.md has the keys; others go under extra.")
    error_message = StrictCharField(max_length=_MESSAGE_LENGTH, required=False, allow_blank=True, default="")

    def to_internal_value(self, data: Any) -> Any:
        """Return the values; name what does not fit the type of the event together with all other errors."""
        value: Any = {}
        errors: dict[str, Any] = {}
        try:
            value = super().to_internal_value(data)
        except ValidationError as error:
            if not isinstance(data, Mapping) or not isinstance(error.detail, dict):
                raise
            errors = error.detail
        found = {name: what for name, what in _misfits(data) if name not in errors}
        if errors or found:
            raise ValidationError({**errors, **found})
        return value


def write(values: Mapping[str, Any], *, actor: Actor, client: Client) -> Event:
    """Write one event of *actor*, as EventToWriteSerializer returned it."""
    failed = None if values["success"] else FailureReason.ERROR
    return record(client=client, actor=actor, failure_reason=failed, **values)


def _misfits(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what is no type that services write, no action of its, or no details of these, by its field."""
    allowed = kinds.over_http()
    event_type, action, details = data.get("event_type"), data.get("action"), data.get("details")
    if not isinstance(event_type, str) or event_type not in allowed:
        yield "event_type", [ErrorDetail(_one_of(sorted(allowed)), code="invalid_choice")]
        return
    kind = kinds.kind_of(event_type, action, over_http=True) if isinstance(action, str) else None
    if kind is None:
        yield "action", [ErrorDetail(_one_of(allowed[event_type]), code="invalid_choice")]
        return
    if isinstance(details, Mapping) and kind.check_details:
        faults = {key: [ErrorDetail(says, code=code)] for key, code, says in kind.check_details(details)}
        if faults:
            yield "details", faults


def _one_of(words: Any) -> str:
    return _("One of %(words)s.") % {"words": ", ".join(words)}


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in *value*, names included; a body is 32 levels deep at most."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield str(name)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
