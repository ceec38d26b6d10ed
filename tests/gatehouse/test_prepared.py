"""Statements of the busiest roads: how one is named and planned, and how a row is locked by what holds of it."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gatehouse import prepared
from tests.factories import UserFactory

pytestmark = [pytest.mark.integration, pytest.mark.django_db, pytest.mark.every_engine]


def test_a_name_a_place_for_each_parameter_and_a_call() -> None:
    name, text, call = prepared._as_prepared("UPDATE t SET a = %s WHERE b = %s")
    assert text == f"PREPARE {name} AS UPDATE t SET a = $1 WHERE b = $2"
    assert call == f"EXECUTE {name} (%s, %s)"


def test_a_row_is_locked_where_the_facts_hold() -> None:
    user = UserFactory()
    model = type(user)
    assert prepared.lock(model, id=user.pk, email=user.email, last_login=None)
    assert not prepared.lock(model, id=user.pk, last_login=timezone.now())
    assert not prepared.lock(model, id=user.pk, email=None)
    with CaptureQueriesContext(connection) as queries:
        prepared.lock(model, id=user.pk)
    assert ("FOR" in queries[0]["sql"]) == connection.features.has_select_for_update


@pytest.mark.django_db(transaction=True)
def test_no_row_is_locked_outside_a_transaction() -> None:
    user = UserFactory()
    with pytest.raises(transaction.TransactionManagementError):
        prepared.lock(type(user), id=user.pk)
