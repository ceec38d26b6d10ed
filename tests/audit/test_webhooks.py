"""Events on their way to other systems: signed, at least once, in order per subject; a dead end stops no other."""

import hashlib
import hmac
import io
import json
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from audit import privacy, sealing, webhooks
from audit.models import Endpoint, Queued, Webhook
from gatehouse.events import Actor

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

SECRET, OLDER = "a secret of the tests " + "s" * 32, "an older secret of the tests " + "o" * 32


class Receiver:
    """A system that gets events over HTTP, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, Any], str, bytes]] = []
        self.answers: dict[int, int] = {}  # by the id of an event
        self.status = 204
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                event = json.loads(body)
                status = outer.answers.get(event["id"], outer.status)
                if 200 <= status < 300:
                    outer.got.append((event, self.headers["Gatehouse-Signature"], body))
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_given: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?a=1"

    @property
    def ids(self) -> list[int]:
        return [event["id"] for event, _signature, _body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def siem(receiver: Receiver, settings: Any) -> Receiver:
    """The receiver, named in the settings, and asked for what comes from now on."""
    name(settings, {"url": receiver.url})
    webhooks.queue_next()
    return receiver


def name(settings: Any, *given: dict[str, Any]) -> None:
    """Name endpoints in the settings; the first is called siem."""
    made = [{"name": "siem", "secret": SECRET, **one} for one in given]
    settings.AUDIT = {**settings.AUDIT, "WEBHOOKS": json.dumps(made)}


def deliver(after: timedelta = timedelta(0)) -> None:
    """Do what the worker does, so much later."""
    sealing.seal()
    while webhooks.queue_next():
        pass
    while webhooks.deliver_next(now=timezone.now() + after):
        pass


def test_an_event_is_sent_once_signed_and_without_what_tells_of_people(siem, write):
    event = write(user_id="7", email="jane@example.com", details={"factor": "email"})
    deliver()
    deliver()
    ((body, signature, raw),) = siem.got
    assert body["id"] == event.pk and body["action"] == "authn_login_success" and body["user_id"] == "7"
    assert {"email", "ip_address", "user_agent", "details", "error_message"}.isdisjoint(body)
    stamp, proof = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", signature).groups()
    assert hmac.digest(SECRET.encode(), stamp.encode() + b"." + raw, hashlib.sha256).hex() == proof
    assert not Webhook.objects.exists() and Endpoint.objects.get().delivered == 1


def test_the_snippet_of_the_docs_verifies_and_refuses(siem, settings, write):
    name(settings, {"url": siem.url, "secret": f"{SECRET},{OLDER}"})
    write()
    deliver()
    ((_event, signature, raw),) = siem.got
    page = (Path(__file__).resolve().parents[2] / "docs/webhooks.md").read_text()
    found: dict[str, Any] = {}
    (snippet,) = re.findall(r"```python\n(.+?)```", page, re.DOTALL)
    exec(snippet, found)
    for secret in (SECRET, OLDER):
        assert found["is_ours"](secret, signature, raw)
    assert not found["is_ours"]("another " * 8, signature, raw)
    assert not found["is_ours"](SECRET, signature, raw + b" ")
    assert not found["is_ours"](SECRET, re.sub(r"t=\d+", "t=1", signature), raw)
    assert not found["is_ours"](SECRET, "nonsense", raw)


def test_what_is_private_is_sent_where_that_is_asked_for_and_not_after_an_erasure(siem, settings, write):
    name(settings, {"url": siem.url, "private": True})
    write(user_id="7", email="jane@example.com", actor=Actor("user", "7", "user"))
    deliver()
    write(user_id="7", email="jane@example.com", actor=Actor("user", "7", "user"))
    with transaction.atomic():
        privacy.erase(user_id="7", addresses=["jane@example.com"])
    deliver()
    assert [event["email"] for event, _signature, _body in siem.got] == ["jane@example.com", None]
    assert siem.got[1][0]["erased"] is True


def test_types_and_actions_choose_and_what_was_before_is_not_sent(receiver, settings, write):
    write()
    sealing.seal()
    name(settings, {"url": receiver.url, "types": ["SECURITY"], "actions": ["authn_*", "user_disabled"]})
    webhooks.queue_next()
    write(event_type="ADMIN", action="user_disabled")
    write(action="session_created")
    event = write(action="authn_login_fail", success=False)
    deliver()
    assert receiver.ids == [event.pk]


def test_a_dead_endpoint_stops_no_other_and_is_tried_again_more_and_more_rarely(siem, settings, write):
    name(settings, {"url": "http://127.0.0.1:1/"}, {"name": "other", "url": siem.url})
    events = [write(user_id=str(number)).pk for number in range(3)]
    deliver()
    assert siem.ids == events
    dead = Endpoint.objects.get(name="siem")
    assert (dead.failures, dead.error, webhooks.waiting("siem").count()) == (1, "ConnectionRefusedError", 3)
    deliver(after=timedelta(seconds=5))
    assert Endpoint.objects.get(name="siem").failures == 1
    deliver(after=timedelta(seconds=11))
    again = Endpoint.objects.get(name="siem")
    assert again.failures == 2 and again.next_try_at - dead.next_try_at > timedelta(seconds=25)
    name(settings, {"url": siem.url})
    deliver(after=timedelta(minutes=5))
    assert siem.ids == events * 2 and Endpoint.objects.get(name="siem").failures == 0


@pytest.mark.parametrize("status", [302, 401, 404, 429, 500, 503])
def test_an_answer_that_is_no_success_is_tried_again_and_no_redirect_is_followed(siem, write, status):
    siem.status = status
    event = write()
    deliver()
    assert Endpoint.objects.get().error == f"status {status}" and webhooks.waiting("siem").count() == 1
    siem.status = 200
    deliver(after=timedelta(minutes=1))
    assert siem.ids == [event.pk]


def test_a_refused_event_holds_back_its_subject_alone_and_the_order_stands(siem, write):
    refused = write(user_id="7")
    after, other = write(user_id="7"), write(user_id="8")
    nobody = write()
    siem.answers[refused.pk] = 422
    deliver()
    assert siem.ids == [other.pk, nobody.pk]
    later = write(user_id="7")
    deliver()
    assert siem.ids == [other.pk, nobody.pk]
    siem.answers.clear()
    deliver(after=timedelta(minutes=1))
    assert siem.ids[2:] == [refused.pk, after.pk, later.pk]


def test_what_is_not_taken_for_long_is_given_up_and_put_back_by_hand(siem, settings, write):
    refused, after = write(user_id="7"), write(user_id="7")
    siem.answers[refused.pk] = 400
    deliver()
    deliver(after=timedelta(days=3, minutes=1))
    deliver(after=timedelta(days=3, minutes=2))
    assert siem.ids == [after.pk]
    assert Webhook.objects.get().given_up_at is not None
    shown, out = io.StringIO(), io.StringIO()
    call_command("audit", "webhooks", stdout=shown)
    assert re.search(r"siem +0 +1 +1 +20\d\d-", shown.getvalue()) and SECRET not in shown.getvalue()
    siem.answers.clear()
    call_command("audit", "webhooks", "retry", "--endpoint", "siem", stdout=out)
    assert "put back: 1" in out.getvalue()
    deliver(after=timedelta(days=4))
    assert siem.ids == [after.pk, refused.pk] and not Webhook.objects.exists()
    with pytest.raises(CommandError, match="No endpoint"):
        call_command("audit", "webhooks", "retry", "--endpoint", "other")


def test_a_worker_that_died_while_it_sent_is_followed_by_another(siem, write, monkeypatch):
    class KilledError(BaseException):
        pass

    def die(*_given: Any, **_more: Any) -> None:
        raise KilledError

    event = write()
    with monkeypatch.context() as killed:
        killed.setattr(webhooks, "_leave", die)
        with pytest.raises(KilledError):
            deliver()
    second = write()
    deliver()
    assert siem.ids == [event.pk], "its claim stands"
    deliver(after=timedelta(minutes=3))
    assert siem.ids == [event.pk, second.pk]


def test_workers_at_the_same_moment_send_each_event_once(siem, write, race):
    events = [write(user_id="7").pk for _one in range(8)]
    sealing.seal()
    race([webhooks.queue_next] * 3)
    now = timezone.now()
    race([lambda: webhooks.deliver_next(now=now)] * 3)
    deliver()
    assert siem.ids == events


def test_without_a_webhook_nothing_waits_and_old_rows_are_removed(siem, settings, write):
    siem.status = 500
    write()
    deliver()
    settings.AUDIT = {**settings.AUDIT, "WEBHOOKS": ()}
    write()
    deliver()
    assert not Queued.objects.exists() and Webhook.objects.count() == 1
    Webhook.objects.update(created_at=timezone.now() - timedelta(days=31))
    call_command("cleanup", "--only", "webhooks", stdout=io.StringIO())
    assert not Webhook.objects.exists()
    shown = io.StringIO()
    call_command("audit", "webhooks", stdout=shown)
    assert "names none" in shown.getvalue()
