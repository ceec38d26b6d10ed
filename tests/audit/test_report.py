"""Reports of the trail: as a file in three forms, from the command line, and by mail each month."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core import mail
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.urls import NoReverseMatch

from audit import monthly, report
from audit.models import MonthlyReport
from audit.rendering import render
from tests.audit.conftest import CLIENT
from tests.audit.test_statistics import NOON, counted, stamp

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

SINCE, UNTIL = ("--since", "2026-11-01"), ("--until", "2026-12-01")
DECEMBER = datetime(2026, 12, 1, 7, tzinfo=UTC)


@pytest.fixture
def november(write) -> None:
    """A few events of the first of November."""
    failed: dict[str, Any] = {"action": "authn_login_fail", "success": False, "failure_reason": "bad_credentials"}
    stamp(write(email="jane@example.com"), NOON)
    stamp(write(**failed), NOON + timedelta(hours=1))
    stamp(write(event_type="ADMIN", action="user_disabled"), NOON)
    counted()


def said(*words: str) -> str:
    out = io.StringIO()
    call_command("audit", *words, stdout=out)
    return out.getvalue()


class Page(HTMLParser):
    """What an HTML page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _value in attrs}
        self.links += [str(value) for name, value in attrs if name in {"href", "src"}]


def test_the_html_stands_alone_and_each_figure_leads_to_its_events(november):
    text = said("report", *SINCE, *UNTIL)
    page = Page(text)
    assert {"script", "link", "img", "iframe"}.isdisjoint(page.tags)
    assert "style" not in page.attributes and not [name for name in page.attributes if name.startswith("on")]
    assert "2026-11-01 00:00 to 2026-12-01 00:00 (UTC)" in text
    assert page.links and all(link.startswith("http://testserver/admin/audit/event/?") for link in page.links)
    assert any("reason=bad_credentials" in link and "since=2026-11-01" in link for link in page.links)
    assert page.tags.count("rect") >= 4 and "table" in page.tags
    assert CLIENT.ip not in text and "jane@example.com" not in text


def test_addresses_are_in_it_only_where_they_are_asked_for(november):
    for form in ("html", "json", "csv"):
        asked = ("report", *SINCE, *UNTIL, "--format", form)
        assert CLIENT.ip not in said(*asked)
        assert CLIENT.ip in said(*asked, "--private")


def test_json_and_csv_hold_the_same_figures(november):
    found = json.loads(said("report", *SINCE, *UNTIL, "--format", "json"))
    assert (found["totals"], found["bucket"]) == ({"events": 3, "succeeded": 2, "failed": 1}, "day")
    assert len(found["buckets"]) == 30
    rows = list(csv.DictReader(io.StringIO(said("report", *SINCE, *UNTIL, "--format", "csv"))))
    numbers = {(row["part"], row["name"]): row["number"] for row in rows}
    assert numbers["totals", "Events"] == "3" and numbers["reasons", "bad credentials"] == "1"
    assert numbers["buckets", "2026-11-01T00:00:00.000000Z failed"] == "1"
    assert {row["since"] for row in rows} == {"2026-11-01T00:00:00.000000Z"}


def test_it_is_written_to_a_file(november, tmp_path):
    said("report", *SINCE, *UNTIL, "--output", str(tmp_path / "report.html"))
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    with pytest.raises(CommandError, match="cannot be written"):
        said("report", *SINCE, *UNTIL, "--output", str(tmp_path / "nowhere" / "report.html"))


def test_a_name_that_is_markup_is_text(november, monkeypatch):
    made = report.make(since=NOON, until=NOON + timedelta(hours=1), addresses=False)
    made.found.by_action["<script>"] = 1
    assert "<script>" not in render(
        report.Report(made.made_at, made.found, (report._actions(made.found),), False), "html"
    )


def test_without_an_admin_there_are_figures_and_no_links(november, monkeypatch):
    def nowhere(*_given: Any, **_more: Any) -> str:
        raise NoReverseMatch

    monkeypatch.setattr(report, "reverse", nowhere)
    assert Page(said("report", *SINCE, *UNTIL)).links == []


def test_nothing_happened_is_a_report_too(db):
    assert "Nothing in this time." in said("report")


def test_stats_are_shown_to_people_and_to_programs(november):
    text = said("stats", *SINCE, *UNTIL, "--bucket", "day")
    assert "3 events, 2 succeeded, 1 failed" in text and re.search(r"bad_credentials +1\b", text)
    assert CLIENT.ip not in text and "--private" in text
    assert re.search(
        rf"{re.escape(str(CLIENT.ip))} +1\b", said("stats", *SINCE, *UNTIL, "--bucket", "day", "--private")
    )
    asked = ("stats", "--since", "2026-11-01T12:00Z", "--until", "2026-11-01T14:00", "--json")
    assert "top_failing_ips" not in json.loads(said(*asked))
    assert json.loads(said(*asked, "--private"))["top_failing_ips"] == [{"ip": CLIENT.ip, "failed": 1}]


@pytest.mark.parametrize(
    "words", [("--since", "yesterday"), ("--since", "9999999d"), ("--until", "1d", "--since", "1h")]
)
@pytest.mark.parametrize("act", ["stats", "report"])
def test_a_time_that_is_none_is_refused(db, act, words):
    with pytest.raises(CommandError):
        said(act, *words)


def test_the_report_of_the_month_before_is_mailed_once_to_each_without_addresses(november, settings):
    settings.AUDIT = {**settings.AUDIT, "REPORT_TO": ("ciso@example.com", "auditor@example.com")}
    assert monthly.send_due(now=DECEMBER - timedelta(hours=2)) is False, "what is under way is waited for"
    assert monthly.send_due(now=DECEMBER) is True
    assert monthly.send_due(now=DECEMBER + timedelta(days=20)) is False
    assert [one.to for one in mail.outbox] == [["ciso@example.com"], ["auditor@example.com"]]
    (name, content, kind) = mail.outbox[0].attachments[0]
    assert (name, kind) == ("audit-20261101T00-20261201T00.html", "text/html")
    assert "2026-11" in mail.outbox[0].subject and "3 events, 1 of them failed." in mail.outbox[0].body
    assert CLIENT.ip not in content and "reason=bad_credentials" in content


def test_a_mail_that_fails_is_tried_again_and_two_workers_send_one(november, settings, monkeypatch, race):
    settings.AUDIT = {**settings.AUDIT, "REPORT_TO": ("ciso@example.com",)}

    def fail(*_given: Any) -> None:
        raise OSError("the mail server is away")

    with monkeypatch.context() as broken:
        broken.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", fail)
        with pytest.raises(OSError, match="away"):
            monthly.send_due(now=DECEMBER)
    assert monthly.send_due(now=DECEMBER + timedelta(minutes=59)) is False
    later = DECEMBER + timedelta(minutes=61)
    sent = race([lambda: monthly.send_due(now=later)] * 3)
    assert sorted(sent) == [False, False, True] and len(mail.outbox) == 1
    assert MonthlyReport.objects.get().attempts == 2


def test_without_a_receiver_or_a_trail_nothing_is_mailed(november, settings):
    assert monthly.send_due(now=DECEMBER) is False
    settings.AUDIT = {**settings.AUDIT, "REPORT_TO": ("ciso@example.com",)}
    assert monthly.send_due(now=datetime(2026, 11, 20, tzinfo=UTC)) is False, "there was no trail in October"
    assert mail.outbox == [] and not MonthlyReport.objects.exists()


def test_a_check_finds_a_receiver_that_is_no_address(settings):
    settings.AUDIT = {**settings.AUDIT, "REPORT_TO": ("ciso@example.com", "ciso")}
    assert [fault.id for fault in run_checks() if fault.id == "audit.E007"]
