"""Place names beside addresses, from a file of the operator's."""

from pathlib import Path

import pytest
from django.template.loader import render_to_string
from django.utils import timezone, translation
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from gatehouse import places
from gatehouse.checks import check_settings
from gatehouse.places import place_of
from sessions_app.models import Session
from sessions_app.shapes import session_shape
from tests.accounts.pages.person import Person, text_of
from tests.factories import UserFactory

pytestmark = [pytest.mark.unit]

HERE, THERE = "203.0.113.7", "2001:db8::7"


def write(path: Path, city: str = "Zürich") -> None:
    """Write a file that knows two networks."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test-City", languages=["en", "de"])
    names = {"city": {"names": {"en": city}}, "country": {"names": {"en": "Switzerland", "de": "Schweiz"}}}
    writer.insert_network(IPSet(["203.0.113.0/24"]), names)
    writer.insert_network(IPSet(["2001:db8::/32"]), {"registered_country": {"names": {"en": "Nowhere"}}})
    writer.to_db_file(str(path))


@pytest.fixture
def file(tmp_path: Path, settings) -> Path:
    path = tmp_path / "places.mmdb"
    write(path)
    settings.GATEHOUSE = settings.GATEHOUSE | {"GEOIP_FILE": str(path)}
    return path


def test_an_address_has_a_place(file: Path) -> None:
    assert place_of(HERE) == "Zürich, Switzerland"
    assert place_of(THERE) == "Nowhere"


def test_a_place_is_named_in_the_language_in_force_where_the_file_knows_it(file: Path) -> None:
    with translation.override("de"):
        assert place_of(HERE) == "Zürich, Schweiz"
    with translation.override("fr"):
        assert place_of(HERE) == "Zürich, Switzerland"


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "198.51.100.1", "no address", "", None])
def test_what_the_file_does_not_know_has_no_place(file: Path, ip: str | None) -> None:
    assert place_of(ip) == ""


def test_without_a_file_nothing_has_a_place(settings) -> None:
    assert settings.GATEHOUSE.get("GEOIP_FILE", "") == ""
    assert place_of(HERE) == ""


def test_a_new_file_is_read_while_the_process_runs(file: Path, monkeypatch) -> None:
    assert place_of(HERE) == "Zürich, Switzerland"
    beside = file.with_suffix(".new")
    write(beside, city="Basel")
    beside.replace(file)
    monkeypatch.setattr(places, "_LOOK_EVERY", 0)
    places._atlas(str(file))._look_again = 0.0
    assert place_of(HERE) == "Basel, Switzerland"


def test_a_file_that_went_away_costs_the_places_and_nothing_else(file: Path, monkeypatch) -> None:
    file.unlink()
    assert place_of(HERE) == ""


def test_a_file_that_cannot_be_read_is_named_at_the_start(tmp_path: Path, settings) -> None:
    broken = tmp_path / "broken.mmdb"
    broken.write_bytes(b"no map")
    settings.GATEHOUSE = settings.GATEHOUSE | {"GEOIP_FILE": str(broken)}
    assert [fault.id for fault in check_settings()] == ["gatehouse.E008"]
    assert place_of(HERE) == ""


@pytest.mark.django_db
def test_a_session_has_a_place_where_a_file_is_given(file: Path) -> None:
    user = UserFactory()
    now = timezone.now()
    shown = {"user": user, "ip": HERE, "created_at": now, "last_used_at": now}
    session = Session(**shown, idle_expires_at=now, absolute_expires_at=now)
    assert session_shape(session, current_id=None)["place"] == "Zürich, Switzerland"
    session.ip = "127.0.0.1"
    assert session_shape(session, current_id=None)["place"] is None


@pytest.mark.django_db
def test_a_session_has_no_place_where_no_file_is_given() -> None:
    now = timezone.now()
    shown = {"user": UserFactory(), "ip": HERE, "created_at": now, "last_used_at": now}
    assert "place" not in session_shape(Session(**shown, idle_expires_at=now, absolute_expires_at=now), current_id=None)


@pytest.mark.django_db
def test_pages_and_mails_say_the_place_beside_the_address(file: Path) -> None:
    member = Person()
    member.sign_up()
    member.confirm()
    member.sign_in()
    Session.objects.update(ip=HERE)
    for page in ("sessions", "security"):
        assert "Zürich, Switzerland (203.0.113.7)" in text_of(member.get(page))
    facts = {"ip": HERE, "device": "Firefox"}
    assert "Network address: Zürich, Switzerland (203.0.113.7)" in render_to_string("mail/facts.txt", facts)
    assert "<bdi>Zürich, Switzerland (203.0.113.7)</bdi>" in render_to_string("mail/facts.html", facts)
