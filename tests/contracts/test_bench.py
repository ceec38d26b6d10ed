"""What the bench measures stays what it says: the number of statements, and the yardsticks themselves."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bench import people, traffic
from bench.views import PASSWORD

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.urls("bench.urls")]

MOST_FOR_THE_SESSION = 2
FOR_THE_PASSWORD_STEP = 10  # counters 4, account, challenge, mail, event, and the two ends of the transaction


@pytest.fixture
def member():
    return people.accounts(1)[0]


def test_the_session_takes_two_queries_at_most(client, member):
    bearer = people.access_tokens([member])[0]
    headers = {"Authorization": f"Bearer {bearer}"}
    assert client.get("/api/v1/auth/session", headers=headers).status_code == 200
    with CaptureQueriesContext(connection) as queries:
        answer = client.get("/api/v1/auth/session", headers=headers)
    assert answer.status_code == 200
    assert len(queries) <= MOST_FOR_THE_SESSION


def test_the_password_step_takes_a_fixed_number_of_queries(client, member):
    body = {"email": member.email, "password": PASSWORD}
    with CaptureQueriesContext(connection) as queries:
        answer = client.post("/api/v1/auth/login", body, content_type="application/json")
    assert answer.json()["status"] == "otp_required"
    assert len(queries) == FOR_THE_PASSWORD_STEP, [query["sql"][:80] for query in queries]


def test_the_yardsticks_are_what_they_say(client, member):
    with CaptureQueriesContext(connection) as queries:
        answer = client.get("/bench/one-query", {"user": str(member.pk)})
    assert answer.json() == {"id": str(member.pk), "email": member.email}
    assert len(queries) == 1
    assert client.get("/bench/argon2").json()["ms"] > 0


def test_a_request_of_the_load_generator_is_one(member):
    raw = traffic.request("POST", "/x", body=b"{}", X_Request_ID="a")
    assert raw.startswith(b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    assert raw.endswith(b"X-Request-ID: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
