"""Somebody who gives up an account, and what is left of one: what the tests of deletion begin with."""

from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any

import time_machine
from django.apps import apps
from django.db import connection
from django.utils import timezone

from accounts.models import User
from accounts.services import erasure
from gatehouse.events import Actor
from tests.factories import EMAIL, Api, bearer

GRACE = timedelta(days=14)


def ask(api: Api, body: dict[str, Any], **given: Any) -> Any:
    return api.post("/me/deletion", given or None, **bearer(body))


def keep(api: Api, body: dict[str, Any]) -> Any:
    return api.send("DELETE", "/me/deletion", None, **bearer(body))


def leaving(email: str = EMAIL) -> tuple[Api, dict[str, Any]]:
    """Sign in, and ask for the account to be erased."""
    api = Api()
    body = api.sign_in(email)
    assert ask(api, body).status_code == 202
    return api, body


def erase_due(after: timedelta = GRACE) -> int:
    """Erase what is due once so much time has passed, and return how many went."""
    with time_machine.travel(timezone.now() + after + timedelta(seconds=1), tick=False):
        return sum(erasure.erase_due(before=timezone.now(), number=100, actor=Actor.system()))


def everything(*, but: AbstractSet[str] = frozenset()) -> dict[str, str]:
    """Return every row of every table that the project has, as text, by the table."""
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)} - but
    there = set(connection.introspection.table_names())
    found = {}
    with connection.cursor() as cursor:
        for table in sorted(tables & there):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            found[table] = "\n".join(map(str, cursor.fetchall()))
    return found


def holding(*texts: str) -> dict[str, list[str]]:
    """Return in which tables each of *texts* stands, those alone that stand somewhere."""
    rows = everything()
    found = {text: [table for table, held in rows.items() if text.lower() in held.lower()] for text in texts}
    return {text: tables for text, tables in found.items() if tables}


def fresh(user: Any) -> User:
    return User.objects.get(pk=user.pk)
