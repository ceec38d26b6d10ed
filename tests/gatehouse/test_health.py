from datetime import timedelta

import pytest
from django.utils import timezone

from gatehouse import health
from gatehouse.models import Counter

pytestmark = pytest.mark.django_db
SELF = "tests.gatehouse.test_health"


def failing():
    raise RuntimeError("canary")


def passing():
    pass


@pytest.fixture
def well(settings):
    names = ("database", "cache", "mail", "migrations", "worker")
    settings.GATEHOUSE = settings.GATEHOUSE | {"HEALTH_CHECKS": dict.fromkeys(names, f"{SELF}.passing")}
    return settings.GATEHOUSE["HEALTH_CHECKS"]


def test_a_process_that_answers_is_live(site):
    assert site.get("/health/live").json() == {"status": "ok", "checks": {}}


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_all_checks_are_shown(site, well, path):
    response = site.get(path)
    answer = response.json()
    assert (response.status_code, answer["status"]) == (200, "ok")
    assert set(answer["checks"]) == {"database", "cache", "mail", "migrations", "worker"}
    assert all(set(check) == {"status", "latency_ms"} for check in answer["checks"].values())
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("name", "ready", "healthy"),
    [("database", 503, 503), ("migrations", 503, 503), ("worker", 200, 503), ("mail", 200, 503)],
)
def test_a_failed_check_is_shown_without_its_reason(site, well, name, ready, healthy):
    well[name] = f"{SELF}.failing"
    for path, status in (("/health/ready", ready), ("/health", healthy)):
        response = site.get(path)
        assert response.status_code == status
        assert response.json()["checks"][name]["status"] == "fail"
        assert b"canary" not in response.content


def test_where_the_database_is_away_nothing_else_waits_for_it(site, well):
    well["database"] = f"{SELF}.failing"
    checks = site.get("/health").json()["checks"]
    assert {name for name, check in checks.items() if check["status"] == "fail"} == checks.keys() - {"cache"}
    assert all(checks[name]["latency_ms"] == 0 for name in checks.keys() - {"cache", "database"})


def test_the_built_in_checks_pass_here():
    health.check_database()
    health.check_cache()
    health.check_migrations()


def test_a_worker_is_well_while_its_beat_is_fresh():
    with pytest.raises(health.Unwell):
        health.check_worker()
    Counter.objects.beat(health.WORKER, timezone.now() - timedelta(minutes=1))
    health.check_worker()
    Counter.objects.beat(health.WORKER, timezone.now() - timedelta(minutes=3))
    with pytest.raises(health.Unwell):
        health.check_worker()


def test_health_is_only_read(site):
    assert site.post("/health").status_code == 405
    assert site.head("/health/live").status_code == 200
