"""How the environment is read: kinds, .env, secret files, and faults that repeat no value."""

from datetime import timedelta

import pytest

from config.env import Environment, Fault, read_dotenv


def fault_of(**env):
    (fault,) = Environment(env).check()
    return fault


def test_an_empty_value_counts_as_not_set():
    env = Environment({"PORT": "  ", "OTP_TTL": ""})
    assert env.number("PORT") == 8000
    assert env.overrides("ACCOUNTS") == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("24h", timedelta(days=1)),
        ("7d", timedelta(days=7)),
        ("45", timedelta(seconds=45)),
        ("1.5h", timedelta(minutes=90)),
    ],
)
def test_a_duration_has_a_unit(text, value):
    assert Environment({"OTP_TTL": text}).overrides("ACCOUNTS") == {"OTP_TTL": value}


@pytest.mark.parametrize("text", ["ten minutes", "-5m", "10 weeks", "m", "1e9s", "٣m", "0s"])
def test_what_is_no_duration_is_a_fault(text):
    fault = fault_of(OTP_TTL=text)
    assert fault.name == "OTP_TTL"
    assert "10m" in fault.says


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("Yes", True), ("1", True), ("off", False), ("FALSE", False)]
)
def test_a_flag_has_few_spellings(text, value):
    assert Environment({"DEBUG": text}).flag("DEBUG") is value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DEBUG", "maybe"),
        ("PORT", "http"),
        ("PORT", "0"),
        ("LIMITS_SCALE", "nan"),
        ("LIMITS_SCALE", "inf"),
        ("OTP_POLICY", "sometimes"),
        ("ENVIRONMENT", "Production"),
        ("DB_POOL", "maybe"),
    ],
)
def test_a_fault_names_the_variable_and_what_it_must_be(name, text):
    fault = fault_of(**{name: text})
    assert fault.name == name
    assert fault.says.startswith("must be ")
    assert f" {text}" not in fault.says


def test_names_and_rings_are_lists():
    env = Environment({"CORS_ORIGINS": "https://a.example, https://b.example,", "JWT_SECRET": "new , old"})
    assert env.names("CORS_ORIGINS") == ("https://a.example", "https://b.example")
    assert env.keys("JWT_SECRET") == ("new", "old")


def test_a_secret_may_stand_in_a_file(tmp_path):
    (tmp_path / "jwt").write_text("from-a-file\n")
    env = Environment({"JWT_SECRET_FILE": str(tmp_path / "jwt"), "JWT_SECRET": "from-the-environment"})
    assert env.keys("JWT_SECRET") == ("from-a-file",)


def test_a_secret_file_that_is_not_there_is_a_fault():
    assert fault_of(JWT_SECRET_FILE="/nowhere/jwt").name == "JWT_SECRET_FILE"


def test_a_dotenv_file_is_read_and_leaves_the_process_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("SITE_NAME", raising=False)
    (tmp_path / ".env").write_text("# a comment\nSITE_NAME='Our house'\nSECRET_KEY=$not-a-reference#kept\n")
    values = read_dotenv(tmp_path / ".env")
    assert values["SITE_NAME"] == "Our house"
    assert values["SECRET_KEY"] == "$not-a-reference#kept"
    assert read_dotenv(tmp_path / "none") == {}


def test_only_declared_kinds_are_read():
    with pytest.raises(TypeError, match="PORT is read as TEXT"):
        Environment({}).text("PORT")
    with pytest.raises(KeyError):
        Environment({}).text("NOT_DECLARED")


def test_a_fault_reads_as_a_sentence():
    assert str(Fault("PORT", "must be a whole number.")) == "PORT must be a whole number."
