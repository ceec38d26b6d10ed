"""Mail servers that are away, slow or unwilling: no request notices, no mail is lost."""

import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import outbox
from accounts.models import Link, Mail, MailState
from audit.models import Event
from tests.factories import EMAIL, Api, UserFactory, trail
from tests.mailsink import Sink, free_port, text_of

BACK_OFF = [10, 30, 60, 300, 900, 3600, 3600, 3600, 3600, 3600, 3600]


@pytest.fixture(autouse=True)
def _smtp(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_TIMEOUT = "127.0.0.1", 0.3
    settings.EMAIL_PORT = free_port()  # where nobody listens


@pytest.fixture
def sink(smtp_sink: Sink, settings: Any) -> Sink:
    settings.EMAIL_PORT = int(smtp_sink.url.rpartition(":")[2])
    settings.EMAIL_TIMEOUT = 5
    return smtp_sink


@pytest.fixture
def silent_server(settings: Any) -> Iterator[None]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.EMAIL_PORT = listener.getsockname()[1]
        yield


def later(seconds: float) -> datetime:
    return timezone.now() + timedelta(seconds=seconds)


def test_c19_l09_a_dead_mail_server_changes_no_answer(api: Api) -> None:
    UserFactory(email="jane2@example.com")
    assert api.register().status_code == 202
    assert api.login("jane2@example.com").json()["status"] == "otp_required"
    assert api.post("/auth/verify-email/resend", {"email": EMAIL}).status_code == 202
    assert outbox.send_due() == 0
    assert {mail.state for mail in Mail.objects.exclude(template="verify_request")} == {MailState.QUEUED}


def test_l09_a_mail_is_tried_again_with_growing_pauses_then_given_up(api: Api) -> None:
    api.register()
    at = timezone.now()
    for attempt, pause in enumerate(BACK_OFF, 1):
        assert outbox.send_due(now=at) == 0
        mail = Mail.objects.get()
        assert (mail.state, mail.attempts, mail.error) == (MailState.QUEUED, attempt, "ConnectionRefusedError")
        assert mail.next_try_at == at + timedelta(seconds=pause)
        assert outbox.send_due(now=mail.next_try_at - timedelta(seconds=1)) == 0
        assert Mail.objects.get().attempts == attempt
        at = mail.next_try_at
    assert outbox.send_due(now=at) == 0
    assert Mail.objects.get().state == MailState.FAILED
    event = Event.objects.latest("id")
    assert (event.action, event.failure_reason, event.actor_type) == ("sys_mail_failed", "mail_failed", "system")
    assert event.details == {"template": "verify", "attempts": 12}


@pytest.mark.parametrize("says", ["451 try later", "421 too busy", "452 no room", "554 not now"])
def test_a_server_that_is_unwilling_for_now_gets_the_mail_later(api: Api, sink: Sink, says: str) -> None:
    api.register()
    sink.refusing = says
    assert outbox.send_due() == 0
    assert Mail.objects.get().state == MailState.QUEUED
    sink.refusing = ""
    assert outbox.send_due() == 0  # its time has not come
    assert outbox.send_due(now=later(11)) == 1
    assert Mail.objects.get().state == MailState.SENT
    assert len(sink.to(EMAIL)) == 1


def test_l10_a_mailbox_that_is_not_there_is_given_up_at_once(api: Api, sink: Sink) -> None:
    api.register()
    sink.refusing = "550 no such user"
    assert outbox.send_due() == 0
    assert Mail.objects.get().state == MailState.FAILED
    assert trail()[1:] == [("sys_mail_failed", "mail_failed")]


def test_a_silent_server_holds_up_nothing_but_its_own_mail(api: Api, silent_server: None) -> None:
    api.register()
    assert outbox.send_due() == 0
    mail = Mail.objects.get()
    assert (mail.state, mail.error) == (MailState.QUEUED, "SMTPServerDisconnected")


def test_one_mail_that_cannot_be_written_holds_up_no_other(api: Api, sink: Sink) -> None:
    api.register()
    api.register("other@example.com")
    Mail.objects.filter(to=EMAIL).update(template="there_is_no_such_template")
    assert outbox.send_due() == 1
    assert len(sink.to("other@example.com")) == 1
    broken = Mail.objects.get(to=EMAIL)
    assert (broken.state, broken.error) == (MailState.QUEUED, "TemplateDoesNotExist")


def test_a_mail_whose_key_is_gone_is_dropped(api: Api, sink: Sink, settings: Any) -> None:
    api.register()
    settings.GATEHOUSE = settings.GATEHOUSE | {"MAIL_KEYS": ("another-key-" + "k" * 40,)}
    assert outbox.send_due() == 0
    assert Mail.objects.get().state == MailState.DROPPED
    assert trail()[1:] == [("sys_mail_failed", "mail_expired")]


def test_keys_may_be_changed_while_mails_wait(api: Api, sink: Sink, settings: Any) -> None:
    old = settings.GATEHOUSE["MAIL_KEYS"]
    UserFactory(email="jane2@example.com")
    api.register()
    challenge = api.challenge("jane2@example.com")
    settings.GATEHOUSE = settings.GATEHOUSE | {"MAIL_KEYS": ("another-key-" + "k" * 40, *old)}
    assert outbox.send_due() == 2
    code = text_of(sink.to("jane2@example.com")[0])[:6]
    assert api.answer(challenge, code).status_code == 200


def test_a_link_that_was_replaced_is_not_mailed(api: Api, sink: Sink) -> None:
    api.register()
    api.register()
    assert outbox.send_due() == 1
    assert Link.objects.count() == 2 and len(sink.to(EMAIL)) == 1


def test_a_claim_that_a_dead_worker_left_runs_out(api: Api, sink: Sink) -> None:
    api.register()
    Mail.objects.update(state=MailState.SENDING, attempts=1, next_try_at=later(300))
    assert outbox.send_due(now=later(299)) == 0
    assert outbox.send_due(now=later(301)) == 1


def test_mails_that_wait_for_long_are_a_matter_of_health(api: Api) -> None:
    api.register()
    outbox.check_health()
    Mail.objects.update(next_try_at=timezone.now() - timedelta(minutes=6))
    with pytest.raises(outbox.MailsWaiting):
        outbox.check_health()


def test_a_mail_names_itself_alike_at_every_try_and_carries_no_second_address(api: Api, sink: Sink) -> None:
    api.register(display_name="Bcc: x@y.test, <b>Jane</b>")
    outbox.send_due()
    mail = sink.to(EMAIL)[0]
    assert mail["Message-ID"] == f"<{Mail.objects.get().pk}@testserver>"
    assert (mail["To"], mail["Bcc"], mail["Cc"], mail["Auto-Submitted"]) == (EMAIL, None, None, "auto-generated")
    html = mail.get_body(("html",))
    assert html is not None and "<b>Jane</b>" not in html.get_content()
