"""/me/export: a copy of everything that is held about somebody, made by the worker and fetched once."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from accounts import outbox
from accounts.exports import files
from accounts.models import Export, Status, User
from accounts.services import export_making
from audit.models import Event
from gatehouse import limits
from sessions_app.models import Session
from tests.accounts.copies import ask, asked, break_off, content_of, fetch, look, read, ready
from tests.factories import (
    EMAIL,
    PASSWORD,
    Api,
    Mailbox,
    UserFactory,
    bearer,
    mark,
    moment,
    problem,
    refused_fields,
    trail,
)

DAY = timedelta(days=1)


@pytest.fixture
def user(db: None) -> User:
    return UserFactory(email=EMAIL)


@pytest.fixture
def body(api: Api, user: User) -> dict[str, Any]:
    return api.sign_in()


def test_asking_making_and_fetching(api: Api, user: User, body: dict[str, Any]) -> None:
    since = mark()
    answer = ask(api, body)
    assert (answer.status_code, set(answer.json())) == (202, {"id", "status"})
    export_id = answer.json()["id"]
    assert answer.json()["status"] == "preparing"
    assert look(api, body, export_id).json() == {"id": export_id, "status": "preparing"}
    assert export_making.make_due() == 1
    shown = look(api, body, export_id).json()
    url = f"http://testserver/api/v1/me/export/{export_id}/file"
    assert shown == {"id": export_id, "status": "ready", "url": url}
    row = Export.objects.get()
    assert row.expires_at and row.made_at and row.expires_at - row.made_at == DAY

    answer = fetch(api, body, export_id)
    assert answer.status_code == 200
    content = content_of(answer)
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"] == f'attachment; filename="my-data-{timezone.now():%Y-%m-%d}.zip"'
    assert (answer["Cache-Control"], answer["Content-Length"]) == ("no-store", str(len(content)))
    held, tables, readme = read(content)
    assert held["account"]["email"] == EMAIL
    assert tables["account"][1][tables["account"][0].index("email")] == EMAIL
    assert EMAIL in readme
    assert look(api, body, export_id).json() == {"id": export_id, "status": "fetched"}
    assert list(files.present()) == []
    assert trail(since) == [
        ("user_export_requested",),
        ("user_export_made",),
        ("user_export_fetched",),
        ("download",),
        ("delete",),
    ]
    taken, sent, gone = Event.objects.filter(pk__gt=since).order_by("pk")[2:]
    digest = hashlib.sha256(content).hexdigest()
    assert taken.details == {"size_bytes": len(content), "sha256": digest}
    assert (sent.event_type, sent.resource, sent.user_id) == ("FILE_ACCESS", f"export:{export_id}", str(user.pk))
    assert (sent.actor_id, sent.session_id, sent.ip_address) == (str(user.pk), body["session"]["id"], "192.0.2.7")
    assert set(sent.details) == {"size_bytes", "mime_type", "sha256", "duration_ms", "bytes_per_second"}
    assert (sent.details["size_bytes"], sent.details["sha256"]) == (len(content), digest)
    assert sent.details["mime_type"] == "application/zip"
    assert (gone.event_type, gone.resource) == ("FILE_ACCESS", f"export:{export_id}")


def test_the_mail_leads_to_the_page_and_carries_nothing(api: Api, body: dict[str, Any], mailbox: Mailbox) -> None:
    export_id = ready(api, body)
    text = mailbox.newest()
    assert mailbox.subjects(EMAIL)[-1] == "Your Gatehouse data is ready"
    assert "\nhttp://testserver/account/data\n" in text
    assert export_id not in text and "192.0.2.7" in text
    until = Export.objects.get().expires_at
    assert until and f"until {until:%-d %B %Y, %H:%M} UTC" in text
    html = mail.outbox[-1].alternatives[0][0]  # type: ignore[attr-defined]
    assert "http://testserver/account/data" in html and export_id not in html


def test_a_mail_that_is_too_late_is_not_sent(api: Api, body: dict[str, Any], mailbox: Mailbox) -> None:
    mailbox.all()
    ready(api, body)
    with time_machine.travel(timezone.now() + DAY):
        assert outbox.send_due() == 0


def test_asking_again_gives_the_one_that_is_open(api: Api, body: dict[str, Any]) -> None:
    export_id = asked(api, body)
    since = mark()
    assert ask(api, body).json() == {"id": export_id, "status": "preparing"}
    export_making.make_due()
    assert ask(api, body).json()["status"] == "ready"
    assert [one[0] for one in trail(since)] == ["user_export_made"]
    content_of(fetch(api, body, export_id))
    assert ask(api, body).json()["id"] != export_id
    assert Export.objects.count() == 2


def test_v753_it_wants_a_fresh_proof_of_identity(api: Api, user: User, body: dict[str, Any]) -> None:
    export_id = ready(api, body)
    Session.objects.update(authenticated_at=timezone.now() - timedelta(minutes=5, seconds=1))
    for answer in (ask(api, body), look(api, body, export_id), fetch(api, body, export_id)):
        problem("reauthentication_required", 403, answer)
    for path in ("", f"/{export_id}", f"/{export_id}/file"):
        problem("not_authenticated", 401, api.send("POST" if not path else "GET", f"/me/export{path}"))
    api.post("/auth/reauthenticate", {"password": PASSWORD}, **bearer(body))
    assert content_of(fetch(api, body, export_id))


def test_the_file_is_fetched_once(api: Api, body: dict[str, Any]) -> None:
    export_id = ready(api, body)
    content_of(fetch(api, body, export_id))
    since = mark()
    answer = fetch(api, body, export_id)
    assert answer.json()["detail"] == "The file was fetched already, and works once. Ask for a new one."
    assert problem("conflict", 409, answer) == {}
    assert trail(since) == [("user_export_fetched", "conflict")]


def test_a_connection_that_breaks_is_recorded_and_a_new_one_can_be_asked_for(
    api: Api, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK", 100)
    export_id = ready(api, body)
    since = mark()
    answer = fetch(api, body, export_id)
    sent = len(next(iter(answer.streaming_content)))
    break_off(answer)
    assert sent == 100
    assert trail(since) == [("user_export_fetched",), ("download", "error"), ("delete",)]
    assert Event.objects.get(action="download").details["size_bytes"] < Export.objects.get().size
    assert list(files.present()) == []
    problem("conflict", 409, fetch(api, body, export_id))
    assert asked(api, body) != export_id


def test_a_connection_that_breaks_before_the_first_byte_is_recorded(api: Api, body: dict[str, Any]) -> None:
    export_id = ready(api, body)
    answer = fetch(api, body, export_id)
    break_off(answer)
    break_off(answer)
    assert [one for one in trail() if one[0] == "download"] == [("download", "error")]
    assert list(files.present()) == []


def test_it_waits_for_a_day_and_not_a_second_longer(api: Api, user: User, body: dict[str, Any]) -> None:
    export_id = ready(api, body)
    Session.objects.update(authenticated_at=timezone.now() + DAY)
    with time_machine.travel(Export.objects.get().expires_at, tick=False):
        body = Api().sign_in()
        assert look(api, body, export_id).json() == {"id": export_id, "status": "expired"}
        answer = fetch(api, body, export_id)
        assert answer.json()["detail"] == "The file is too old, and was deleted. Ask for a new one."
        problem("conflict", 409, answer)
        assert asked(api, body) != export_id  # the clean-up has not come yet
        assert Export.objects.get(pk=export_id).state == "expired"


def test_what_is_not_ready_is_not_sent(api: Api, body: dict[str, Any]) -> None:
    export_id = asked(api, body)
    answer = fetch(api, body, export_id)
    assert answer.json()["detail"] == "The file is not ready yet. We mail you when it is."
    problem("conflict", 409, answer)


def test_i03_anothers_export_is_as_none(api: Api, body: dict[str, Any]) -> None:
    export_id = ready(api, body)
    UserFactory(email="other@example.com")
    other = Api()
    stranger = other.sign_in("other@example.com")
    since = mark()
    nowhere = "01980000-0000-7000-8000-000000000000"
    for call in (look, fetch):
        foreign, none = call(other, stranger, export_id), call(other, stranger, nowhere)
        problem("not_found", 404, foreign)
        assert {**foreign.json(), "request_id": ""} == {**none.json(), "request_id": ""}
    assert trail(since) == [("user_export_fetched", "not_permitted")]
    assert content_of(fetch(api, body, export_id))


def test_a_session_that_ended_or_an_account_that_is_not_active_fetches_nothing(
    api: Api, user: User, body: dict[str, Any]
) -> None:
    export_id = ready(api, body)
    user.set_status(Status.DISABLED)
    user.save()
    assert fetch(api, body, export_id).status_code in {401, 403}
    assert ask(api, body).status_code in {401, 403}
    user.set_status(Status.ACTIVE)
    user.save()
    api.post("/auth/logout", None, **bearer(body))
    problem("session_revoked", 401, fetch(api, body, export_id))
    assert Export.objects.get().state == "ready"


def test_a_head_takes_nothing(api: Api, body: dict[str, Any]) -> None:
    export_id = ready(api, body)
    assert api.send("HEAD", f"/me/export/{export_id}/file", **bearer(body)).status_code == 405
    problem("method_not_allowed", 405, api.send("POST", f"/me/export/{export_id}/file", **bearer(body)))
    answer = api.get(f"/me/export/{export_id}/file", accept="application/zip", **bearer(body))
    assert content_of(answer)


def test_a_body_or_a_query_with_anything_in_it_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert refused_fields(ask(api, body, format="pdf")) == {"#/format": "unknown_field"}
    export_id = ready(api, body)
    answer = api.get(f"/me/export/{export_id}/file?x=1", **bearer(body))
    assert refused_fields(answer) == {"?x": "unknown_field"}
    problem("not_found", 404, look(api, body, "../../etc/passwd"))


def test_so_many_a_day_and_no_more(api: Api, user: User, body: dict[str, Any]) -> None:
    for _number in range(limits.LIMITS["export_account"].number):
        Export.objects.update(state="fetched", open_key=None)
        asked(api, body)
    Export.objects.update(state="fetched", open_key=None)
    since = mark()
    answer = ask(api, body)
    problem("rate_limited", 429, answer)
    assert int(answer["Retry-After"]) > 0
    assert trail(since) == [("user_export_requested", "rate_limited")]


def test_a_file_that_somebody_took_away_is_said_and_can_be_asked_for_anew(api: Api, body: dict[str, Any]) -> None:
    export_id = ready(api, body)
    files.remove(Export.objects.get().file_name)
    since = mark()
    answer = fetch(api, body, export_id)
    assert trail(since) == [("user_export_lost", "error"), ("user_export_fetched", "conflict")]
    assert answer.json()["detail"] == "The file is gone. Ask for a new one."
    problem("conflict", 409, answer)
    assert look(api, body, export_id).json()["status"] == "failed"
    problem("conflict", 409, fetch(api, body, export_id))
    assert trail(since).count(("user_export_lost", "error")) == 1
    assert asked(api, body) != export_id


def test_a_site_without_a_place_for_files_says_so(api: Api, body: dict[str, Any], settings: Any) -> None:
    settings.STORAGES = {name: one for name, one in settings.STORAGES.items() if name != "exports"}
    problem("service_unavailable", 503, ask(api, body))
    assert not Export.objects.exists()
    assert trail()[-1] == ("user_export_requested", "error")


def test_times_are_those_of_the_contract(api: Api, body: dict[str, Any]) -> None:
    content = content_of(fetch(api, body, ready(api, body)))
    held, tables, _readme = read(content)
    assert moment(held["account"]["created_at"]) <= timezone.now()
    assert moment(held["about"]["made_at"]) <= timezone.now()
    created = tables["account"][1][tables["account"][0].index("created_at")]
    assert created == held["account"]["created_at"]
