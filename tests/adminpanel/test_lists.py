"""What staff see, what they do not, and at what price (SECURITY.md I06, I08, I09)."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver

from accounts.models import Consent, RecoveryCode, TotpDevice, User
from accounts.roles import Role
from accounts.services import lifecycle
from adminpanel.conf import app_settings
from audit.models import Event
from gatehouse.client import Client
from sessions_app import services as sessions
from sessions_app import state_cache
from sessions_app.models import Door, Session, Transport
from tests.adminpanel.staff import Staff, rows_of, text_of
from tests.factories import UserFactory

HERE = Client(ip="192.0.2.7", user_agent="Firefox/142", device_name="Firefox 142 on Windows 11")
USERS, SESSIONS, EVENTS = "accounts/user/", "sessions_app/session/", "audit/event/"


def open_session(user: Any, door: Door = Door.API) -> Session:
    with transaction.atomic():
        return sessions.open(user=user, client=HERE, door=door, transport=Transport.BEARER, factors=["password"])


def addresses(answer: Any) -> set[str]:
    return {row.email for row in answer.context["cl"].result_list}


def test_users_are_listed_with_how_they_stand(inside: Staff, jane: Any):
    for _one in range(2):
        open_session(jane)
    text = text_of(inside.get(USERS))
    assert "jane@example.com Active User" in text
    assert [row.live_sessions for row in inside.get(USERS, q="jane@").context["cl"].result_list] == [2]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "disabled"}, {"gone@example.com"}),
        ({"role": "moderator"}, {"mod@example.com"}),
        ({"q": "JANE@ex"}, {"jane@example.com"}),
        ({"q": "ane@example.com"}, set()),
        ({"q": "jane%"}, set()),
        ({"status": "disabled", "q": "jane"}, set()),
    ],
)
def test_users_are_found(inside: Staff, jane: Any, query: dict[str, str], found: set[str]):
    UserFactory(email="gone@example.com", disabled=True)
    UserFactory(email="mod@example.com", role=Role.MODERATOR)
    assert addresses(inside.get(USERS, **query)) == found


def test_users_are_found_by_id(inside: Staff, jane: Any):
    assert addresses(inside.get(USERS, q=str(jane.pk))) == {"jane@example.com"}


def test_the_page_of_a_user_shows_all_but_secrets(inside: Staff):
    other = Staff(Role.USER)
    user = other.user
    session = open_session(user)
    Consent(user=user, version="7", granted=True, at=user.created_at).save()
    page = inside.get(f"{USERS}{user.pk}/")
    text, html = text_of(page), page.content.decode()
    for seen in (
        user.email,
        "Authenticator app since",
        "Recovery codes left 10",
        "Terms 7 agreed",
        str(session.pk)[:8],
    ):
        assert seen in text or seen in html, seen
    assert "session_created" in text
    app, code = TotpDevice.objects.get(user=user), RecoveryCode.objects.filter(user=user)[0]
    for hidden in (user.password, app.secret, code.code_hash, str(session.refresh_id)):
        assert hidden not in html


@pytest.mark.parametrize(
    "query",
    [
        "password__startswith=argon2",
        "password=x",
        "email_key__startswith=j",
        "totpdevice__secret__startswith=v1",
        "recovery_codes__code_hash__startswith=0",
        "auth_sessions__refresh_id__isnull=0",
        "links__token_hash__contains=a",
        "_to_field=password",
    ],
)
def test_no_column_is_read_through_the_address(inside: Staff, query: str):
    assert inside.browser.get(f"/admin/{USERS}?{query}").status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        f"{SESSIONS}?user__password__startswith=argon2",
        f"{SESSIONS}?refresh_id__isnull=0",
        f"{SESSIONS}?device__secret_hash__startswith=0",
        f"{EVENTS}?details__contains=x",
        f"{EVENTS}?email__startswith=j",
    ],
)
def test_no_column_of_another_table_either(inside: Staff, path: str):
    assert inside.browser.get(f"/admin/{path}").status_code == 400


@pytest.mark.parametrize("query", ["status=%00", "status=nonsense", "role=1", "p=x", "o=1.2.-3", "all=", "q=%00"])
def test_senseless_words_in_the_address_do_no_harm(inside: Staff, query: str):
    assert inside.browser.get(f"/admin/{USERS}?{query}", follow=True).status_code == 200


def test_a_page_too_far_leads_back(inside: Staff):
    answer = inside.browser.get(f"/admin/{USERS}?p=999&e=1", follow=True)
    assert answer.redirect_chain[-1][0] == f"/admin/{USERS}"


@pytest.mark.parametrize(
    "path",
    [
        f"{USERS}add/",
        f"{USERS}PK/change/",
        f"{USERS}PK/delete/",
        f"{USERS}PK/password/",
        f"{USERS}PK/history/",
        "password_change/",
        "password_change/done/",
        "autocomplete/?app_label=sessions_app&model_name=session&field_name=user&term=j",
        "jsi18n/",
        "r/1/PK/",
        "auth/group/",
        "axes/accessattempt/",
        "admin/logentry/",
        f"{EVENTS}add/",
        f"{EVENTS}1/delete/",
        f"{EVENTS}1/history/",
        f"{SESSIONS}add/",
    ],
)
def test_pages_that_write_do_not_exist(inside: Staff, jane: Any, path: str):
    address = f"/admin/{path.replace('PK', str(jane.pk))}"
    assert inside.browser.get(address).status_code == 404
    assert inside.browser.post(address, {"_popup": "1", "post": "yes"}).status_code in {404, 405}


def test_stock_actions_do_nothing(inside: Staff, jane: Any):
    events = Event.objects.count()
    first = Event.objects.order_by("pk").values_list("pk", flat=True)[0]
    for path, key in ((USERS, jane.pk), (EVENTS, first)):
        crafted = {"action": "delete_selected", "_selected_action": str(key), "index": "0", "post": "yes"}
        assert inside.post(path, crafted).status_code == 405
        assert inside.post(f"{path}{key}/", {"email": "x@example.com", "_save": "1"}).status_code == 405
    assert User.objects.get(pk=jane.pk).email == "jane@example.com"
    assert Event.objects.count() == events
    assert not LogEntry.objects.exists()


def test_every_list_says_no_to_writing():
    assert {model.__name__ for model in admin.site._registry} == {"User", "Session", "Event"}
    for model_admin in admin.site._registry.values():
        assert not model_admin.has_add_permission(None)  # type: ignore[arg-type]
        assert not model_admin.has_change_permission(None)  # type: ignore[arg-type]
        assert not model_admin.has_delete_permission(None)  # type: ignore[arg-type]
        assert model_admin.get_inline_instances(None) == []  # type: ignore[arg-type]
    assert "admin" in get_resolver().namespace_dict


def test_sessions_are_listed_and_found(inside: Staff, jane: Any):
    session = open_session(jane)
    text = text_of(inside.get(SESSIONS))
    assert "jane@example.com Live API Firefox 142 on Windows 11 192.0.2.7" in text
    found = [(query, inside.get(SESSIONS, **query).context["cl"].result_count) for query in (
        {"state": "live"}, {"state": "ended"}, {"door": "staff"}, {"q": str(session.pk)}, {"q": str(jane.pk)},
        {"q": "jane"},
    )]  # fmt: skip
    assert [number for _query, number in found] == [2, 0, 1, 1, 1, 0]
    page = inside.get(f"{SESSIONS}{session.pk}/")
    assert "jane@example.com" in text_of(page)
    assert str(session.refresh_id) not in page.content.decode()


def test_events_are_listed_and_found(inside: Staff, jane: Any):
    inside.browser.post("/account/login", {"email": "jane@example.com", "password": "wrong wrong wrong"})
    failed = Event.objects.get(action="authn_login_fail")
    assert "bad credentials" in text_of(inside.get(EVENTS))
    for query in (
        {"q": "jane@example.com"},
        {"q": failed.request_id, "success": "0"},
        {"q": str(jane.pk)},
        {"q": str(failed.pk), "type": "SECURITY", "days": "1"},
    ):
        assert failed in inside.get(EVENTS, **query).context["cl"].result_list, query
    assert inside.get(EVENTS, q="jane").context["cl"].result_count == 0
    assert inside.get(EVENTS, type="DISK_MONITOR").context["cl"].result_count == 0
    page = inside.get(f"{EVENTS}{failed.pk}/")
    assert "jane@example.com" in text_of(page)
    assert inside.get(f"{EVENTS}9999999/").status_code == 404
    assert inside.get(f"{EVENTS}x/").status_code == 404


def test_a_moderator_sees_those_below_and_masked(moderator: Staff, jane: Any):
    session = open_session(jane)
    for path in (USERS, f"{USERS}{jane.pk}/", SESSIONS, f"{SESSIONS}{session.pk}/"):
        answer = moderator.get(path)
        assert answer.status_code == 200
        assert "jane@example.com" not in answer.content.decode()
        assert "j•••@e•••.com" in answer.content.decode()
        assert "/admin/act/" not in answer.content.decode()
    assert addresses(moderator.get(USERS)) == {"jane@example.com"}
    assert moderator.get(USERS, q="jane").context["cl"].result_count == 0
    assert moderator.get(USERS, q=str(jane.pk)).context["cl"].result_count == 1


def test_a_moderator_is_not_shown_from_where_staff_acted(inside: Staff, jane: Any):
    session, moderator = open_session(jane), Staff(Role.MODERATOR).sign_in()
    here = Client(ip="198.51.100.9")
    lifecycle.end_sessions(target=jane, by=inside.user, reason="Stolen", client=here, only=session)
    for path in (f"{USERS}{jane.pk}/", f"{SESSIONS}{session.pk}/"):
        assert "198.51.100.9" in inside.get(path).content.decode()
        answer = moderator.get(path)
        assert "198.51.100.9" not in answer.content.decode()
        assert "session_revoked" in text_of(answer)


def test_a_moderator_is_kept_from_those_above_and_from_the_trail(moderator: Staff):
    boss = UserFactory(role=Role.ADMIN)
    session = open_session(boss)
    event = Event.objects.order_by("pk")[0]
    for path in (f"{USERS}{boss.pk}/", f"{SESSIONS}{session.pk}/", EVENTS, f"{EVENTS}{event.pk}/"):
        assert moderator.get(path).status_code == 403
        assert rows_of("authz_fail")[-1]["resource"] == f"/admin/{path}"
    assert "Events" not in text_of(moderator.get())
    assert "Mails" not in text_of(moderator.get())
    assert moderator.get(f"{USERS}00000000-0000-7000-8000-000000000000/").status_code == 404
    assert moderator.get(f"{USERS}x/").status_code == 404


def test_the_overview_counts(inside: Staff, jane: Any):
    UserFactory(disabled=True)
    inside.browser.post("/account/login", {"email": "jane@example.com", "password": "wrong wrong wrong"})
    text = text_of(inside.get())
    for figure in ("Active 2", "Disabled 1", "Live 1", "Waiting 0", "Given up 0"):
        assert figure in text, text
    assert "authn_login_fail" in text


def test_the_overview_counts_what_redis_did_not_hear_of(inside: Staff, settings: Any):
    assert "Redis" not in text_of(inside.get())
    state_cache.note_lost(3, "TimeoutError")
    settings.SESSIONS = settings.SESSIONS | {"CACHE_URL": "redis://127.0.0.1:1/0"}
    assert "Changes Redis did not hear of 1" in text_of(inside.get())


@pytest.mark.parametrize(("path", "most"), [("", 14), (USERS, 7), (SESSIONS, 5), (EVENTS, 5)])
def test_a_page_takes_few_queries_however_many_rows(inside: Staff, path: str, most: int):
    def queries() -> int:
        inside.get(path)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert inside.get(path).status_code == 200
        return len(captured)

    before = queries()
    for _one in range(8):
        open_session(UserFactory())
    after = queries()
    assert after == before <= most


def test_the_page_of_a_user_takes_few_queries(inside: Staff, jane: Any):
    for _one in range(8):
        open_session(jane)
    with CaptureQueriesContext(connection) as captured:
        inside.get(f"{USERS}{jane.pk}/")
    assert len(captured) <= 11


def test_a_long_list_is_paged_as_far_as_it_is_counted(inside: Staff, settings: Any):
    UserFactory.create_batch(7)
    settings.ADMINPANEL = {"LIST_PAGE": 2, "LIST_COUNTED": 6}
    first = inside.get(USERS)
    assert "More than 6 rows" in text_of(first)
    assert first.context["cl"].paginator.num_pages == 3
    assert 'rel="next"' in first.content.decode()
    assert 'rel="next"' not in inside.get(USERS, p="3").content.decode()
    assert app_settings().LIST_PAGE == 2
