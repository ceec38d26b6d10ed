"""What the start-up checks say of the settings."""

from datetime import timedelta
from typing import Any

import pytest

from gatehouse.client import Client
from gatehouse.events import Actor
from sessions_app import keys
from sessions_app.checks import check_settings, check_signing_keys
from sessions_app.conf import SessionSettings, app_settings
from tests.sessions_app.conftest import KEYS

GOOD = {"SIGNING_KEYS": KEYS}


def found(settings: Any, **given: Any) -> list[str]:
    settings.SESSIONS = GOOD | given
    return [fault.id or "" for fault in check_settings(app_configs=None)]


def test_good_settings_have_no_fault(settings: Any) -> None:
    assert found(settings) == []
    assert found(settings, CLAIMS="tests.sessions_app.test_tokens.claims_of") == []


def test_an_unknown_key_is_named_with_the_one_that_was_meant(settings: Any) -> None:
    settings.SESSIONS = GOOD | {"REFRESH_IDEL": timedelta(days=1)}
    (fault,) = check_settings(app_configs=None)
    assert (fault.id, fault.hint) == ("sessions_app.E001", "Did you mean REFRESH_IDLE?")
    with pytest.raises(TypeError):
        app_settings()


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"SIGNING_KEYS": ()}, "E002"),
        ({"SIGNING_KEYS": ("",)}, "E003"),
        ({"SIGNING_KEYS": ("secret",)}, "E003"),
        ({"SIGNING_KEYS": ("abc" * 20,)}, "E003"),
        ({"SIGNING_KEYS": ("-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIB0123456789abcdef",)}, "E003"),
        ({"SIGNING_KEYS": (KEYS[0], KEYS[0])}, "E004"),
        ({"SIGNING_ALGORITHM": "ES256"}, "E009"),
        ({"SIGNING_ALGORITHM": "none"}, "E009"),
        ({"SIGNING_ALGORITHM": "hs256"}, "E009"),
        ({"REUSE_GRACE": timedelta(seconds=11)}, "E005"),
        ({"REUSE_GRACE": timedelta(seconds=-1)}, "E005"),
        ({"ACCESS_TTL": timedelta(0)}, "E006"),
        ({"STAFF_IDLE": timedelta(days=1)}, "E007"),
        ({"SESSION_LIMIT": -1}, "E011"),
        ({"CLAIMS": "nowhere.at.all"}, "E008"),
        ({"CACHE_URL": "http://127.0.0.1:6379"}, "E012"),
        ({"CACHE_LEAVES_OUT": ("password", "is_active")}, "E013"),
        ({"CLAIMS": "sessions_app.keyring.LIFE"}, "E008"),
    ],
)
def test_each_fault_has_its_id(settings: Any, given: dict[str, Any], fault: str) -> None:
    assert found(settings, **given) == [f"sessions_app.{fault}"]


def test_f05_no_fault_shows_a_key(settings: Any) -> None:
    settings.SESSIONS = {"SIGNING_KEYS": ("hunter2hunter2",)}
    assert "hunter2" not in str(check_settings(app_configs=None))


def test_every_key_can_be_set(settings: Any) -> None:
    defaults = SessionSettings()
    settings.SESSIONS = dict(vars(defaults)) | {"LEEWAY": timedelta(seconds=5)}
    assert timedelta(seconds=5) == app_settings().LEEWAY
    assert app_settings().issuer == "http://testserver"
    settings.SESSIONS = {"ISSUER": "https://issuer.example.com"}
    assert app_settings().issuer == "https://issuer.example.com"


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA", "RS256"])
def test_our_algorithms_are_no_fault(settings: Any, algorithm: str) -> None:
    assert found(settings, SIGNING_ALGORITHM=algorithm) == []


def test_es256_is_refused_with_the_reason(settings: Any) -> None:
    settings.SESSIONS = GOOD | {"SIGNING_ALGORITHM": "ES256"}
    (fault,) = check_settings(app_configs=None)
    assert "differently each time" in fault.msg and fault.hint == "Choose one of HS256, EdDSA, RS256."


@pytest.mark.django_db
def test_a_signing_key_of_another_algorithm_than_the_one_set_is_named(settings: Any) -> None:
    who: dict[str, Any] = {"client": Client.local("keys"), "actor": Actor.command("root")}
    assert check_signing_keys(app_configs=None, databases=["default"]) == []
    settings.SESSIONS = GOOD | {"SIGNING_ALGORITHM": "EdDSA"}
    (fault,) = check_signing_keys(app_configs=None, databases=["default"])
    assert fault.id == "sessions_app.W001" and "A key of HS256 signs" in fault.msg
    assert "keys generate --activate" in fault.hint
    assert check_signing_keys(app_configs=None, databases=None) == []
    kid = keys.generate(algorithm="EdDSA", activate=True, **who)
    assert check_signing_keys(app_configs=None, databases=["default"]) == []
    settings.GATEHOUSE = settings.GATEHOUSE | {"ENCRYPTION_KEYS": ("another-key-" + "z" * 32,)}
    faults = check_signing_keys(app_configs=None, databases=["default"])
    assert [fault.id for fault in faults] == ["sessions_app.E010", "sessions_app.W001"]
    assert kid in faults[0].msg
