"""What is remembered between requests, and what is asked every time all the same."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import models
from django.utils import timezone

from gatehouse.problems import Problem
from sessions_app import lookup, principal, tokens
from sessions_app.models import Session
from tests.sessions_app.conftest import KEYS


class Sealed(models.TextField):
    """A column that a host reads through code of its own."""

    def from_db_value(self, value: Any, *_rest: Any) -> Any:
        return value


def code_of(raw: str) -> str:
    with pytest.raises(Problem) as caught:
        tokens.read_access(raw)
    return caught.value.code


def test_a_token_that_was_read_before_ends_by_the_clock(session: Session) -> None:
    raw = tokens.access_for(session)
    assert tokens.read_access(raw) == tokens.read_access(raw)
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert code_of(raw) == "access_expired"


def test_a_token_that_was_read_before_falls_with_its_key(session: Session, settings: Any) -> None:
    raw = tokens.access_for(session)
    tokens.read_access(raw)
    settings.SESSIONS = settings.SESSIONS | {"SIGNING_KEYS": KEYS[1:]}
    assert code_of(raw) == "access_invalid"


def test_a_token_that_was_read_before_falls_with_its_audience(session: Session, settings: Any) -> None:
    raw = tokens.access_for(session)
    tokens.read_access(raw)
    settings.SESSIONS = settings.SESSIONS | {"AUDIENCE": "another"}
    assert code_of(raw) == "access_invalid"


def test_a_forged_twin_of_a_token_that_was_read_is_refused(session: Session) -> None:
    raw = tokens.access_for(session)
    tokens.read_access(raw)
    head, body, signature = raw.split(".")
    for twin in (f"{head}.{body}.{'A' * len(signature)}", f"{head}.{body[:-2]}AA.{signature}"):
        assert code_of(twin) == "access_invalid"
        assert code_of(twin) == "access_invalid"


def test_what_a_request_seldom_asks_for_is_there_when_it_does(session: Session, django_assert_num_queries: Any) -> None:
    found = principal.current(session.pk, timezone.now())
    assert found is not None
    with django_assert_num_queries(1):
        assert found.refresh_id == session.refresh_id
    with django_assert_num_queries(1):
        assert found.user.password == session.user.password
    with django_assert_num_queries(1):
        whole = principal.find(session.pk)
        assert whole is not None
        assert (whole.refresh_id, whole.user.password) == (session.refresh_id, session.user.password)


@pytest.mark.parametrize(
    ("field", "portable"),
    [
        (models.CharField(), True),
        (models.UUIDField(), True),
        (models.BooleanField(), True),
        (models.DateTimeField(), True),
        (models.DecimalField(), False),
        (models.DateField(), False),
        (models.BinaryField(), False),
        (models.JSONField(), False),
        (Sealed(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_of_a_hosts_user_model_only_what_json_brings_back_is_packed(field: Any, portable: bool) -> None:
    assert lookup._is_portable(field) is portable
