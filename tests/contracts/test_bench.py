"""What the bench measures stays what it says: the number of statements, and the yardsticks themselves."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bench import people, statements, traffic
from bench.figures import Counted, Measured
from bench.views import PASSWORD

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.urls("bench.urls")]

FOR_THE_PASSWORD_STEP = 10  # counters 4, account, its lock, challenge, mail, event, and the transaction's two ends


@pytest.fixture
def member():
    return people.accounts(1)[0]


def test_the_session_takes_one_query(client, member):
    bearer = people.access_tokens([member])[0]
    headers = {"Authorization": f"Bearer {bearer}"}
    sent, commits = statements.of(lambda: client.get("/api/v1/auth/session", headers=headers))
    assert (len(sent), commits) == (statements.MOST_FOR_THE_SESSION, 0), sent
    assert "accounts_user" in sent[0] and "sessions_app_session" in sent[0]


@pytest.mark.django_db(transaction=True)
def test_a_refresh_is_few_statements_and_one_commit(client, member):
    held = {"it": people.refresh_tokens([member])[0]}

    def refresh():
        answer = client.post("/api/v1/auth/refresh", {"refresh_token": held["it"]}, content_type="application/json")
        held["it"] = answer.json()["refresh_token"]
        return answer

    sent, commits = statements.of(refresh)
    shown = [" ".join(sql.split()[:3]).replace("`", '"') for sql in sent]
    assert shown.pop(0).startswith('UPDATE "sessions_app_session"')
    if connection.vendor != "postgresql":  # whose UPDATE gives the row back
        assert shown.pop(0).startswith("SELECT")
    assert [sql.startswith('INSERT INTO "audit_event"') for sql in shown] == [True]
    assert commits == 1 and len(sent) <= statements.MOST_FOR_A_REFRESH


def test_commits_are_counted():
    assert statements.commits_in(["BEGIN", "UPDATE x", "INSERT x", "COMMIT"]) == 1
    assert statements.commits_in(["INSERT x", "SELECT x", "BEGIN", "UPDATE x", "COMMIT"]) == 2
    assert statements.commits_in(["BEGIN", "UPDATE x", "ROLLBACK", "SELECT x"]) == 0


def test_a_missed_target_is_seen():
    slow, fast = Measured("a rate", "1/s", least=1.0), Measured("a time", "ms", most=1.3)
    for _round in range(2):
        slow.add(9.0, 10.0, undisturbed=True)
        fast.add(12.0, 10.0, undisturbed=True)
    assert not slow.is_met and fast.is_met
    assert "MISSED" in slow.row() and "MISSED" not in fast.row()
    assert Counted("x", 4, 1, 4, 1).is_met and not Counted("x", 5, 1, 4, 1).is_met
    assert not Counted("x", 4, 2, 4, 1).is_met


@pytest.mark.django_db(transaction=True)
def test_the_password_step_takes_a_fixed_number_of_queries(client, member):
    body = {"email": member.email, "password": PASSWORD}
    client.post("/api/v1/auth/login", body, content_type="application/json")  # reads the keys of the trail
    with CaptureQueriesContext(connection) as queries:
        answer = client.post("/api/v1/auth/login", body, content_type="application/json")
    assert answer.json()["status"] == "otp_required"
    assert len(queries) == FOR_THE_PASSWORD_STEP, [query["sql"][:80] for query in queries]


def test_the_yardsticks_are_what_they_say(client, member):
    with CaptureQueriesContext(connection) as queries:
        answer = client.get("/bench/one-query", {"user": str(member.pk)})
    assert answer.json() == {"id": str(member.pk), "email": member.email}
    assert len(queries) == 1
    with CaptureQueriesContext(connection) as queries:
        assert client.get("/bench/nothing").json() == {}
    assert len(queries) == 0
    assert client.get("/bench/argon2").json()["ms"] > 0


def test_a_request_of_the_load_generator_is_one(member):
    raw = traffic.request("POST", "/x", body=b"{}", X_Request_ID="a")
    assert raw.startswith(b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    assert raw.endswith(b"X-Request-ID: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
