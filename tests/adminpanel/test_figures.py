"""The figures of the trail in the staff area: on the overview, in the report, and each with the events behind it."""

import re
from html import unescape
from typing import Any

import pytest

from accounts.roles import Role
from audit import counting, sealing
from audit.models import Event
from tests.adminpanel.staff import Staff, text_of
from tests.factories import Api

pytestmark = pytest.mark.django_db(transaction=True)

EVENTS = "/admin/audit/event/?"


@pytest.fixture
def counted(inside: Staff, jane: Any) -> Staff:
    """Staff beside some refused sign-ins and a new device."""
    api = Api()
    for _one in range(3):
        api.login(jane.email, "not the password")
    api.sign_in(jane.email)
    sealing.seal()
    while counting.count_next():
        pass
    return inside


def figures(answer: Any) -> dict[str, str]:
    """Return the links of the figures by their labels."""
    html = answer.content.decode()
    found = re.findall(r'<a href="http://testserver([^"]+)"><span class="visually-hidden">([^<]+): </span>', html)
    return {unescape(label): unescape(url) for url, label in found}


def test_the_overview_shows_the_last_day_and_each_figure_leads_to_its_events(counted: Staff):
    answer = counted.get()
    text, links = text_of(answer), figures(answer)
    for title in ("Sign-ins", "Why something failed", "Where most failures came from", "Devices and files"):
        assert title in text
    assert {"Sign-ins", "Refused", "bad credentials", "192.0.2.7", "New devices"} <= set(links)
    for label, actions in (
        ("bad credentials", {"authn_login_fail"}),
        ("Refused", {"authn_login_fail"}),
        ("New devices", {"authn_device_added"}),
    ):
        assert links[label].startswith(EVENTS)
        rows = counted.browser.get(links[label]).context["cl"].result_list
        assert {row.action for row in rows} == actions, label
    assert len(counted.browser.get(links["bad credentials"]).context["cl"].result_list) == 3
    assert len(counted.browser.get(links["192.0.2.7"]).context["cl"].result_list) == 3
    assert counted.get(days="7").status_code == 200


def test_a_filter_that_holds_is_shown_and_taken_off(counted: Staff):
    answer = counted.get("audit/event/", reason="bad_credentials", action="authn_login_fail,authn_login_success")
    assert {row.action for row in answer.context["cl"].result_list} == {"authn_login_fail"}
    assert "bad_credentials" in text_of(answer) and 'href="?action=' in answer.content.decode()


@pytest.mark.parametrize(
    "query",
    [
        *("ip=nowhere", "since=yesterday", "until=%00", "reason=%00", "action=%00,", "ip="),
        *("since=0001-01-01T00:00%2B14:00", "until=9999-12-31T23:59-12:00"),
    ],
)
def test_senseless_filters_do_no_harm(counted: Staff, query: str):
    assert counted.browser.get(f"/admin/audit/event/?{query}").status_code == 200


def test_nothing_of_a_page_needs_more_than_its_policy_allows(counted: Staff):
    for path in ("", "report/"):
        answer = counted.get(path)
        html = answer.content.decode()
        assert "default-src 'self'" in answer["Content-Security-Policy"]
        assert "unsafe" not in answer["Content-Security-Policy"]
        assert "<svg" in html and "<table" in html and "<style" not in html
        assert not re.search(r'<[a-z][^>]* (?:style|on[a-z]+)="', html)


def test_the_report_is_a_page_and_a_file(counted: Staff):
    today = f"{Event.objects.latest('pk').timestamp:%Y-%m-%d}"
    page = counted.get("report/", since=today)
    assert "Report of the audit trail" in text_of(page) and f"{today} 00:00 to" in text_of(page)
    assert "bad credentials" in text_of(page) and "192.0.2.7" in text_of(page)
    for form, kind in (("html", "text/html"), ("json", "application/json"), ("csv", "text/csv")):
        answer = counted.get("report/", since=today, bucket="hour", format=form)
        assert answer["Content-Type"].startswith(kind)
        assert re.fullmatch(rf'attachment; filename="audit-[\dT-]+\.{form}"', answer["Content-Disposition"])
        assert b"192.0.2.7" in answer.content


@pytest.mark.parametrize(
    "query", [{"since": "yesterday"}, {"since": "2026-01-02", "until": "2026-01-01"}, {"since": "1990-01-01"}]
)
def test_a_time_that_cannot_be_is_said_in_the_form(counted: Staff, query: dict[str, str]):
    answer = counted.get("report/", **query)
    assert answer.status_code == 422 and "There is a problem" in text_of(answer)
    assert counted.get("report/", bucket="week").status_code == 422


def test_a_role_without_figures_sees_none_and_asking_is_recorded(moderator: Staff):
    assert "Why something failed" not in text_of(moderator.get())
    assert moderator.get("report/").status_code == 403
    assert Event.objects.filter(action="authz_fail", resource="/admin/report/").count() == 1


def test_i06_a_super_admin_has_the_report_as_well(db: None):
    assert Staff(Role.SUPER_ADMIN).sign_in().get("report/").status_code == 200
