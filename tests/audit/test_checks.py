"""The settings of the trail: a misspelt key or source is named, and never left out in silence."""

from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured

from audit import checks, conf

pytestmark = pytest.mark.unit

KEYS = {"KEYS": ("k" * 32,)}


def test_an_unknown_key_is_named_with_the_one_that_was_meant(settings):
    settings.AUDIT = {"SOURCE": ()}

    (fault,) = checks.check_settings(None)
    assert fault.id == "audit.E001"
    assert "did you mean 'SOURCES'?" in fault.msg
    with pytest.raises(ImproperlyConfigured, match="SOURCES"):
        conf.app_settings()


def test_a_key_like_no_other_gets_the_list(settings):
    settings.AUDIT = {"ZZZ": timedelta(1)}

    (fault,) = checks.check_settings(None)
    assert "known keys: SOURCES, KEYS" in fault.msg


def test_a_source_that_cannot_be_imported_is_named(settings):
    settings.AUDIT = KEYS | {"SOURCES": ("nowhere.signals.security_event", "gatehouse.events.send")}

    faults = checks.check_settings(None)
    assert [fault.id for fault in faults] == ["audit.E002", "audit.E002"]
    assert "nowhere.signals" in faults[0].msg
    assert "not a Signal" in faults[1].msg


def test_right_settings_pass(settings):
    settings.AUDIT = KEYS | {"SOURCES": ("django.db.models.signals.post_save",)}

    assert checks.check_settings(None) == []


@pytest.mark.parametrize("keys", [(), ("",), ("k" * 32, "")])
def test_without_a_key_nothing_could_be_recorded(settings, keys):
    settings.AUDIT = {"KEYS": keys}

    (fault,) = checks.check_settings(None)
    assert fault.id == "audit.E004"


def test_each_key_is_read_live(settings):
    settings.AUDIT = {}
    assert conf.app_settings().SOURCES == ()

    settings.AUDIT = {"SOURCES": ("a.b",), "DETAILS_MAX_BYTES": 5}
    assert conf.app_settings().SOURCES == ("a.b",)
    assert conf.app_settings().DETAILS_MAX_BYTES == 5


def test_no_database_is_asked_unless_it_is_named():
    assert checks.check_triggers(None) == []
