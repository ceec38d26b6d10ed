"""A log line for each event: after its commit, one line, nothing of a person, and nothing that fails the change."""

from typing import Any

import pytest
import structlog
from django.core.checks import run_checks
from django.db import transaction

from audit import lines
from audit.models import Event
from gatehouse.client import Client
from gatehouse.events import together
from gatehouse.signals import LimitExceeded, security_event
from tests.audit.conftest import CLIENT

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

PRIVATE: dict[str, Any] = {
    "email": "jane@example.com",
    "details": {"factor": "email"},
    "error_message": "no",
    "client": Client(ip="203.0.113.7", user_agent="Mozilla/5.0", request_id="request-1"),
}


def said(captured: Any) -> list[dict[str, Any]]:
    return [line for line in captured if line["event"] == "audit event"]


def test_a_line_says_what_happened_and_nothing_of_the_person(write):
    with structlog.testing.capture_logs() as captured:
        event = write(user_id="7", resource="/account", success=False, failure_reason="locked", **PRIVATE)
    assert said(captured) == [
        {
            "event": "audit event",
            "log_level": "info",
            "event_id": event.pk,
            "event_type": "SECURITY",
            "action": "authn_login_success",
            "success": False,
            "failure_reason": "locked",
            "user_id": "7",
            "actor_type": "anonymous",
            "actor_label": "anonymous",
            "resource": "/account",
            "request_id": "request-1",
        }
    ]


def test_a_setting_adds_what_is_private_or_leaves_lines_out(write, settings):
    settings.AUDIT = {**settings.AUDIT, "LOG": "private"}
    with structlog.testing.capture_logs() as captured:
        write(**PRIVATE)
    (line,) = said(captured)
    assert (line["email"], line["ip_address"], line["details"]) == ("jane@example.com", CLIENT.ip, {"factor": "email"})
    settings.AUDIT = {**settings.AUDIT, "LOG": "off"}
    with structlog.testing.capture_logs() as captured:
        write(**PRIVATE)
    assert said(captured) == []


def test_what_is_rolled_back_has_no_line_and_what_is_committed_has_it_then(write):
    with structlog.testing.capture_logs() as captured:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            write()
            raise ZeroDivisionError
        with transaction.atomic():
            write()
            assert said(captured) == []
        assert len(said(captured)) == 1


def test_events_that_are_written_together_have_a_line_each(db):
    with structlog.testing.capture_logs() as captured, transaction.atomic(), together():
        for name in ("one", "two"):
            security_event.send(LimitExceeded, event=LimitExceeded(client=CLIENT, limit=name))
    assert [line["event_id"] for line in said(captured)] == list(
        Event.objects.order_by("pk").values_list("pk", flat=True)
    )


def test_a_line_that_fails_fails_nothing_else(write, monkeypatch):
    def fail(_row: Event) -> Any:
        raise RuntimeError

    monkeypatch.setattr(lines, "fields_of", fail)
    event = write()
    assert Event.objects.filter(pk=event.pk).exists()


def test_a_check_finds_a_form_that_there_is_not(settings):
    settings.AUDIT = {**settings.AUDIT, "LOG": "loud"}
    assert [fault.id for fault in run_checks() if fault.id == "audit.E009"]
