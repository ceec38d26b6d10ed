"""The trail: one table, one row for each thing that happened."""

import re
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from gatehouse.fields import KeyField

from .appendonly import AppendOnlyModel
from .columns import DatabaseClock, PrefixIndex

# What PostgreSQL cannot store: NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CUT = "…"


class Event(AppendOnlyModel):
    """One thing that happened: who did what, to whose account, from where, and how it ended.

    Written by ``receivers.insert`` alone, read through ``queries`` alone. Nothing updates or
    deletes a row: the database's own triggers refuse it. Ids are kept as text and without a
    foreign key, so that a row outlives what it speaks of and fits any user model.

    ``id`` only orders rows; a gap is no evidence, since a rolled back insert leaves one.
    """

    id = models.BigAutoField(primary_key=True)
    timestamp = models.DateTimeField(db_default=DatabaseClock(), editable=False)
    event_type = models.CharField(max_length=50)
    action = KeyField(max_length=100)
    # the account concerned, which need not be the one that acted
    user_id = KeyField(max_length=255, null=True, blank=True)
    actor_type = models.CharField(max_length=20)
    actor_id = KeyField(max_length=255, null=True, blank=True)
    actor_label = models.CharField(max_length=150, blank=True, default="")
    # as typed, also where no account has it
    email = models.CharField(max_length=254, null=True, blank=True)
    resource = KeyField(max_length=1000, blank=True, default="")
    success = models.BooleanField()
    failure_reason = models.CharField(max_length=50, blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    details = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)
    ip_address = KeyField(max_length=45, null=True, blank=True)
    user_agent = models.CharField(max_length=500, blank=True, default="")
    request_id = KeyField(max_length=64, blank=True, default="")
    session_id = KeyField(max_length=64, null=True, blank=True)

    class Meta(AppendOnlyModel.Meta):
        db_table = "audit_event"
        default_permissions = ("view",)  # there is no permission to add, change or delete
        indexes = [
            models.Index(fields=["timestamp"], name="audit_event_timestamp"),
            models.Index(fields=["event_type", "timestamp"], name="audit_event_type_timestamp"),
            models.Index(fields=["user_id", "timestamp"], name="audit_event_user_timestamp"),
            models.Index(fields=["actor_type", "actor_id", "timestamp"], name="audit_event_actor_timestamp"),
            models.Index(fields=["success", "timestamp"], name="audit_event_ok_timestamp"),
            models.Index(fields=["action"], name="audit_event_action"),
            PrefixIndex(fields=["resource"], name="audit_event_resource", opclasses=["varchar_pattern_ops"]),
        ]

    def fit(self) -> None:
        """Cut what is longer than its column, with a mark, and replace what cannot be stored.

        What came from outside (a user agent, an address as typed) must never make the
        insert fail, since that would fail the action it records.
        """
        for field in self._meta.concrete_fields:
            value = getattr(self, field.attname)
            if isinstance(value, str):
                setattr(self, field.attname, _cut(str(_storable(value)), field.max_length))
        self.details = _storable(self.details)

    def __str__(self) -> str:
        return f"{self.action} #{self.pk}"


def _cut(text: str, length: int | None) -> str:
    return text if length is None or len(text) <= length else text[: length - 1] + _CUT


def _storable(value: Any) -> Any:
    match value:
        case str():
            return _UNSTORABLE.sub("\ufffd", value)
        case dict():
            return {_storable(key): _storable(item) for key, item in value.items()}
        case list() | tuple():
            return [_storable(item) for item in value]
        case _:
            return value
