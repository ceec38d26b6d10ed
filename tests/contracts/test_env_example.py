"""`.env.example`, the table of variables and the apps' settings say the same."""

import dataclasses
import re
from datetime import timedelta
from pathlib import Path

import pytest

import accounts.conf
import audit.conf
import gatehouse.conf
import sessions_app.conf
from config import example
from config.env import Environment, read_dotenv
from config.lifetimes import SECTIONS, VARIABLES

ROOT = Path(__file__).resolve().parents[2]
APPS = {
    "GATEHOUSE": gatehouse.conf.GatehouseSettings,
    "SESSIONS": sessions_app.conf.SessionSettings,
    "ACCOUNTS": accounts.conf.AccountSettings,
    "AUDIT": audit.conf.AuditSettings,
}
OF_AN_APP = [variable for variable in VARIABLES.values() if variable.app]
NAMED_IN_THE_SPECIFICATION = re.findall(
    r"\w+",
    """
    ENVIRONMENT DATABASE_URL REDIS_URL SECRET_KEY JWT_SECRET MAIL_KEY AUDIT_KEY EMAIL_URL SENDGRID_API_KEY EMAIL_FROM
    BASE_URL FRONTEND_URL CORS_ORIGINS ALLOWED_HOSTS TRUSTED_PROXIES ADMIN_PATH SUPPORT_URL PORT DB_POOL DB_POOL_MIN
    DB_POOL_MAX DB_POOL_TIMEOUT LIMITS_SCALE OTP_POLICY PASSWORD_POLICY
    """,
)


def test_the_file_is_what_the_table_prints():
    assert (ROOT / ".env.example").read_text() == example.render(), "python -m config.example > .env.example"


def test_every_variable_has_a_line_and_a_comment():
    text = (ROOT / ".env.example").read_text()
    for name in VARIABLES:
        assert re.search(rf"^# .+\n(?:# .+\n)*{name}=", text, re.MULTILINE), name


def test_no_name_stands_twice():
    names = [variable.name for group in SECTIONS.values() for variable in group]
    assert sorted(names) == sorted(set(names))


def test_what_the_specification_names_is_there():
    assert [name for name in NAMED_IN_THE_SPECIFICATION if name not in VARIABLES] == []


def test_a_copied_example_reads_without_a_fault():
    values = read_dotenv(ROOT / ".env.example")
    assert set(values) == set(VARIABLES)
    assert Environment(values).check() == []


def test_the_example_holds_no_secret():
    values = read_dotenv(ROOT / ".env.example")
    assert [name for name in values if re.search("SECRET|_KEY|PASSWORD$", name) and values[name]] == []


@pytest.mark.parametrize("variable", OF_AN_APP, ids=lambda variable: variable.name)
def test_a_default_is_the_apps_own(variable):
    fields = {field.name: field for field in dataclasses.fields(APPS[variable.app])}
    key = variable.key or variable.name
    assert key in fields, f"{variable.app} has no {key}"
    own = fields[key].default
    read = Environment({variable.name: variable.default}).overrides(variable.app).get(key)
    if read is None:
        assert not own
    else:
        assert read == own


def test_every_duration_of_an_app_can_be_set_or_is_named_here():
    """What staff of a site may want to change is a variable; the rest is a setting for programmers."""
    settable = {variable.key or variable.name for variable in OF_AN_APP}
    not_settable = {"TOUCH_EVERY", "LEEWAY", "TOTP_SETUP_TTL"}
    durations = {
        field.name for app in APPS.values() for field in dataclasses.fields(app) if isinstance(field.default, timedelta)
    }
    assert durations - settable == not_settable & durations
