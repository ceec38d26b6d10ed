"""How many statements the requests send, and how often they commit, asked in this process."""

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bench import people
from bench.figures import Counted
from bench.views import PASSWORD

_ENDS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")

MOST_FOR_THE_SESSION = 1
MOST_FOR_A_REFRESH = 4


def of(call: Callable[[], Any]) -> tuple[list[str], int]:
    """Return the statements that *call* sends, and how many times something is committed.

    A statement outside a transaction commits by itself where it writes.
    """
    call()  # what is looked up once a process is not a request's own
    with CaptureQueriesContext(connection) as captured:
        answer = call()
    assert answer.status_code == 200, answer.content
    sent = [str(query["sql"]) for query in captured]
    statements = [sql for sql in sent if not sql.startswith(_ENDS)]
    return statements, commits_in(sent)


def commits_in(sent: list[str]) -> int:
    """Return how often *sent* commits."""
    commits, inside = 0, False
    for sql in sent:
        if sql.startswith("BEGIN"):
            inside = True
        elif sql.startswith(("COMMIT", "ROLLBACK")) and not sql.startswith("ROLLBACK TO"):
            commits, inside = commits + sql.startswith("COMMIT"), False
        elif not inside and sql.startswith(("INSERT", "UPDATE", "DELETE")):
            commits += 1
    return commits


def count(members: list[Any]) -> list[Counted]:
    """Return the counts of what is measured; *members* are two accounts that nothing else uses."""
    client = Client(SERVER_NAME="127.0.0.1")
    first, second = members
    bearer = people.access_tokens([first])[0]
    refreshes = {"ours": people.refresh_tokens([first])[0], "theirs": people.simplejwt_tokens([first])[0]}

    def session() -> Any:
        return client.get("/api/v1/auth/session", headers={"Authorization": f"Bearer {bearer}"})

    def refresh() -> Any:
        return _again(client, refreshes, "ours", "/api/v1/auth/refresh", "refresh_token")

    def simplejwt() -> Any:
        return _again(client, refreshes, "theirs", "/bench/simplejwt/refresh", "refresh")

    def password() -> Any:
        body = {"email": second.email, "password": PASSWORD}
        return client.post("/api/v1/auth/login", body, content_type="application/json")

    return [
        _counted("GET /auth/session", session, MOST_FOR_THE_SESSION, 0),
        _counted("POST /auth/refresh", refresh, MOST_FOR_A_REFRESH, 1),
        _counted("simplejwt's refresh with its blacklist", simplejwt, None, None),
        _counted("the password step", password, None, None),
    ]


def _counted(name: str, call: Callable[[], Any], statements: int | None, commits: int | None) -> Counted:
    sent, committed = of(call)
    return Counted(name, len(sent), committed, statements, commits)


def _again(client: Client, held: dict[str, str], whose: str, path: str, member: str) -> Any:
    answer = client.post(path, {member: held[whose]}, content_type="application/json")
    held[whose] = answer.json().get(member, "")
    return answer
