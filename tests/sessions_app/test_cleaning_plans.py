"""What the clean-up asks the database finds its rows by an index, however many there are."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gatehouse import cleaning
from gatehouse.cleaning import Sweep
from gatehouse.events import Actor

ONE_BY_ONE = {"erasures", "export-files", "trail-keys"}  # find a batch by its keys, and lock each row by itself
NO_INDEX = {"failures"}  # a library's table, of which the limits keep the numbers down


@pytest.fixture
def without_sequential_scans(db: None) -> Iterator[None]:
    if connection.vendor != "postgresql":
        pytest.skip("its plans are read on PostgreSQL")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        yield


@pytest.mark.parametrize("name", sorted(set(cleaning.chores()) - NO_INDEX))
def test_every_batch_is_found_along_an_index(without_sequential_scans: None, name: str) -> None:
    run = Sweep([cleaning.chores()[name]], actor=Actor.system())
    with CaptureQueriesContext(connection) as queries:
        assert run.go_on(60)
    mark = " LIMIT " if name in ONE_BY_ONE else "FOR UPDATE SKIP LOCKED"
    chosen = [query["sql"] for query in queries if mark in query["sql"]]
    assert chosen
    for sql in chosen:
        assert " LIMIT " in sql and " ORDER BY " in sql
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "Index" in plan and "Seq Scan" not in plan, plan
