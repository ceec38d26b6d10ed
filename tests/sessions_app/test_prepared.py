"""Look-ups of a session that are planned once a connection give what they give unprepared."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions_app import lookup, principal, tokens
from sessions_app import services as sessions
from sessions_app.models import Session

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.every_engine]


@pytest.fixture
def pooled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the connection of the test count as one of a pool: nobody else uses it."""
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL plans anew for each call")
    connection.ensure_connection()
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "pool", True)
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    vars(connection.connection).pop("_gatehouse_prepared", None)


def sent(act: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        act()
    return [query["sql"].split()[0] for query in queries]


def test_the_look_up_is_prepared_once_and_says_the_same(
    user: Any, open_session: Callable[..., Session], pooled: None
) -> None:
    session = open_session(user)
    assert sent(lambda: lookup.ask(session.pk, lookup.usual())) == ["PREPARE", "EXECUTE"]
    assert sent(lambda: lookup.ask(session.pk, lookup.usual())) == ["EXECUTE"]
    found = principal.find(session.pk)
    assert found is not None
    assert {name: getattr(found, name) for name in held(session)} == held(session)
    assert found.user == user


def test_a_refresh_is_prepared_and_rotates_once(
    user: Any, open_session: Callable[..., Session], client_facts: Any, pooled: None
) -> None:
    raw = tokens.issue(open_session(user)).refresh_token
    first = sessions.rotate(raw_refresh=raw, client=client_facts)
    again = sessions.rotate(raw_refresh=raw, client=client_facts)
    assert again.refresh_token == first.refresh_token
    assert Session.objects.get().rotation == 1


def test_without_a_pool_nothing_is_prepared(user: Any, open_session: Callable[..., Session]) -> None:
    session = open_session(user)
    assert "pool" not in connection.settings_dict["OPTIONS"]
    assert sent(lambda: lookup.ask(session.pk, lookup.usual())) == ["SELECT"]


def held(session: Session) -> dict[str, Any]:
    return {field.attname: getattr(session, field.attname) for field in Session._meta.concrete_fields}
