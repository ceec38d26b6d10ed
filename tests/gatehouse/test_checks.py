import pytest
from django.db import connections

from gatehouse.checks import check_atomic_requests, check_settings
from gatehouse.conf import GatehouseSettings, app_settings


def found(settings, **changes):
    settings.GATEHOUSE = settings.GATEHOUSE | changes
    return {message.id: message for message in check_settings()}


def test_the_settings_of_the_project_are_in_order(settings):
    assert found(settings) == {}
    assert check_atomic_requests() == []


def test_a_misspelt_key_is_named_with_the_right_one(settings):
    message = found(settings, LIMIT_SCALE=1)["gatehouse.E001"]
    assert message.msg == "GATEHOUSE has no key 'LIMIT_SCALE'."
    assert message.hint == "Did you mean 'LIMITS_SCALE'?"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"HASH_KEYS": ()}, "gatehouse.E003"),
        ({"MAIL_KEYS": "one-text"}, "gatehouse.E003"),
        ({"ENCRYPTION_KEYS": ("",)}, "gatehouse.E003"),
        ({"PRODUCTION": True, "BASE_URL": "https://x.test", "HASH_KEYS": ("short",)}, "gatehouse.E004"),
        ({"TRUSTED_PROXIES": "nonsense"}, "gatehouse.E005"),
        ({"BASE_URL": "x.test"}, "gatehouse.E006"),
        ({"BASE_URL": "http://x.test", "PRODUCTION": True}, "gatehouse.E006"),
        ({"LIMITS_SCALE": 0}, "gatehouse.E007"),
    ],
)
def test_values_that_cannot_be_are_found(settings, changes, expected):
    assert set(found(settings, **changes)) == {expected}


def test_atomic_requests_are_found(settings, monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    assert [message.id for message in check_atomic_requests()] == ["gatehouse.E002"]


def test_a_cache_that_drops_counters_is_found(settings):
    settings.RATELIMIT_USE_CACHE = "small"
    settings.CACHES = {"small": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    assert set(found(settings)) == {"gatehouse.W001"}


def test_settings_are_read_live(settings):
    settings.GATEHOUSE = settings.GATEHOUSE | {"SITE_NAME": "Other"}
    assert app_settings().SITE_NAME == "Other"


def test_addresses_are_built_from_the_settings():
    ours = GatehouseSettings(BASE_URL="https://x.test/")
    assert ours.url("/a") == "https://x.test/a"
    assert ours.problem_url("conflict") == "https://x.test/problems/conflict"
    assert ours.secure
    assert GatehouseSettings(PROBLEM_DOCS_URL="https://docs.test/p/").problem_url("x") == "https://docs.test/p/x"
