"""Which engine, pool and options each kind of DATABASE_URL gives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from config import databases, patience
from config.env import Environment

ROOT = Path(__file__).resolve().parents[2]
POOL = {"min_size": 1, "max_size": 8, "timeout": 2.0}


def given(**env):
    environment = Environment(env)
    return databases.database(environment), environment


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_postgresql_comes_with_a_pool(scheme):
    found, _ = given(DATABASE_URL=f"{scheme}://ann:s3@db.example:6543/gate")
    assert found["ENGINE"] == "django.db.backends.postgresql"
    assert (found["USER"], found["PASSWORD"], found["HOST"], found["PORT"], found["NAME"]) == (
        "ann", "s3", "db.example", 6543, "gate",
    )  # fmt: skip
    assert found["OPTIONS"] == {"connect_timeout": 3, "tcp_user_timeout": 4000, "pool": POOL}
    assert found["CONN_MAX_AGE"] == 0
    assert found["DISABLE_SERVER_SIDE_CURSORS"] is False
    assert found["TIME_ZONE"] is None


def test_the_pool_takes_its_sizes_from_the_environment():
    found, _ = given(DATABASE_URL="postgresql://db/gate", DB_POOL_MIN="2", DB_POOL_MAX="20", DB_POOL_TIMEOUT="2s")
    assert found["OPTIONS"]["pool"] == {"min_size": 2, "max_size": 20, "timeout": 2.0}


def test_no_pool_for_serverless():
    found, _ = given(DATABASE_URL="postgresql://db/gate", DB_POOL="off")
    assert "pool" not in found["OPTIONS"]
    assert found["CONN_MAX_AGE"] == 0
    assert found["DISABLE_SERVER_SIDE_CURSORS"] is True


def test_a_pool_smaller_than_its_minimum_is_a_fault():
    _, environment = given(DATABASE_URL="postgresql://db/gate", DB_POOL_MIN="9", DB_POOL_MAX="2")
    assert [fault.name for fault in environment.faults] == ["DB_POOL_MAX"]


def test_what_stands_after_the_question_mark_passes_on():
    found, _ = given(DATABASE_URL="postgresql://db/gate?sslmode=verify-full&application_name=gate&connect_timeout=1")
    assert found["OPTIONS"] == {
        "connect_timeout": 1, "tcp_user_timeout": 4000, "sslmode": "verify-full", "application_name": "gate",
        "pool": POOL,
    }  # fmt: skip


def test_a_password_may_hold_anything():
    found, _ = given(DATABASE_URL="postgresql://ann%40x:p+%2F%40%3A%20w@db/gate")
    assert (found["USER"], found["PASSWORD"]) == ("ann@x", "p+/@: w")


def test_sqlite_writes_side_by_side(tmp_path):
    found, _ = given(DATABASE_URL=f"sqlite:///{tmp_path}/deep/gate.sqlite3")
    assert found["ENGINE"] == "django.db.backends.sqlite3"
    assert found["NAME"] == f"{tmp_path}/deep/gate.sqlite3"
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert found["OPTIONS"]["timeout"] == 5
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "busy_timeout=5000",
        "recursive_triggers=ON",
    ):
        assert f"PRAGMA {pragma}" in found["OPTIONS"]["init_command"]


def test_a_relative_sqlite_path_begins_at_the_project():
    found, _ = given()
    assert found["NAME"].endswith("/var/gatehouse.sqlite3")


def test_where_no_database_is_named_the_file_lies_among_what_development_keeps(tmp_path):
    found, _ = given(VAR_DIR=str(tmp_path))
    assert found["NAME"] == f"{tmp_path}/gatehouse.sqlite3"


@pytest.mark.parametrize("scheme", ["mysql", "mariadb"])
def test_mariadb_is_strict_and_utc(scheme):
    found, _ = given(DATABASE_URL=f"{scheme}://ann:s3@db.example/gate")
    assert found["ENGINE"] == "django.db.backends.mysql"
    options = found["OPTIONS"]
    assert options["charset"] == "utf8mb4"
    assert options["isolation_level"] == "read committed"
    assert (options["connect_timeout"], options["read_timeout"], options["write_timeout"]) == (3, 10, 10)
    assert "sql_mode='TRADITIONAL'" in options["init_command"]
    assert "time_zone='+00:00'" in options["init_command"]


def test_a_web_process_waits_for_an_answer_less_long_than_a_command():
    found, _ = given(DATABASE_URL="postgresql://db/gate")
    patience.hurry(found)
    assert found["OPTIONS"]["pool"]["connection_class"] is patience.ImpatientConnection
    found, _ = given(DATABASE_URL="mysql://db/gate")
    patience.hurry(found)
    waits = [found["OPTIONS"][name] for name in ("connect_timeout", "read_timeout", "write_timeout")]
    assert waits == [2, 2, 2]
    found, _ = given(DATABASE_URL="mysql://db/gate?read_timeout=8&connect_timeout=7")
    patience.hurry(found)
    assert [found["OPTIONS"][name] for name in ("connect_timeout", "read_timeout")] == [7, 8]
    found, _ = given(DATABASE_URL="sqlite://:memory:")
    before = dict(found["OPTIONS"])
    patience.hurry(found)
    assert found["OPTIONS"] == before


def test_without_a_pool_a_web_process_waits_no_longer_either():
    found, _ = given(DATABASE_URL="postgresql://db/gate", DB_POOL="off")
    patience.hurry(found)
    assert (found["ENGINE"], found["OPTIONS"]["connect_timeout"]) == ("config.impatient", 2)
    found, _ = given(DATABASE_URL="postgresql://db/gate?connect_timeout=7", DB_POOL="off")
    patience.hurry(found)
    assert found["OPTIONS"]["connect_timeout"] == 7


@pytest.mark.parametrize(
    "url", ["oracle://db/gate", "gate", "postgresql://db", "postgresql://db:port/gate", "mysql://db"]
)
def test_an_unreadable_url_is_a_fault_that_does_not_repeat_it(url):
    _, environment = given(DATABASE_URL=url)
    assert [fault.name for fault in environment.faults] == ["DATABASE_URL"]
    assert url not in str(environment.faults[0])


_ASK = """
import django; django.setup()
from django.db import connection
sql = {
    "postgresql": "SHOW TimeZone",
    "mysql": "SELECT @@session.time_zone",
    "sqlite": "SELECT strftime('%H:%M', '2026-07-01 12:00:00')",
}[connection.vendor]
with connection.cursor() as cursor:
    cursor.execute(sql)
    print(cursor.fetchone()[0])
"""


def test_the_connection_speaks_utc_whatever_the_machine_says(tmp_path):
    """A process under another zone, which libpq would pass on to the server, still asks and stores in UTC."""
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "TZ": "Pacific/Auckland",
        "PGTZ": "Asia/Tokyo",
    }
    done = subprocess.run([sys.executable, "-c", _ASK], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()[-1]
    assert said == {"postgresql": "UTC", "mariadb": "+00:00", "sqlite": "12:00"}[settings.ENGINE]
