"""Exports asked for, made and fetched by many at once: one of each."""

from typing import Any

import pytest
from django.utils import timezone

from accounts.exports import files
from accounts.models import Export, Mail, User
from accounts.services import erasure, export_making
from audit.models import Event
from gatehouse.events import Actor
from tests.accounts.copies import ask, content_of, fetch, ready
from tests.factories import EMAIL, Api, UserFactory


@pytest.fixture(autouse=True)
def _no_rate_limits(settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 100}


@pytest.fixture
def body(transactional_db: None) -> dict[str, Any]:
    UserFactory(email=EMAIL)
    return Api().sign_in()


def number(action: str, *, success: bool = True) -> int:
    return Event.objects.filter(action=action, success=success).count()


def test_asking_many_times_at_once_is_one_export(body: dict[str, Any], race: Any) -> None:
    said = race([lambda: ask(Api(), body)] * 8)
    assert not [one for one in said if isinstance(one, Exception)], said
    assert {one.status_code for one in said} == {202}
    assert len({one.json()["id"] for one in said}) == 1
    assert (Export.objects.count(), number("user_export_requested")) == (1, 1)


def test_of_many_workers_one_makes_it(body: dict[str, Any], race: Any) -> None:
    ask(Api(), body)
    said = race([export_making.make_due] * 6)
    assert sorted(said) == [0, 0, 0, 0, 0, 1], said
    assert Export.objects.get().attempts == 1
    assert Mail.objects.filter(template="export_ready").count() == 1
    assert len(list(files.present())) == 1


@pytest.mark.parametrize("turn", range(3))
def test_of_many_who_fetch_one_gets_the_file(body: dict[str, Any], race: Any, turn: int) -> None:
    export_id = ready(Api(), body)

    def take() -> Any:
        answer = fetch(Api(), body, export_id)
        return len(content_of(answer)) if answer.status_code == 200 else answer.json()["code"]

    said = race([take] * 6)
    assert not [one for one in said if isinstance(one, Exception)], said
    [size] = [one for one in said if one != "conflict"]
    assert size == Export.objects.get().size
    assert (number("user_export_fetched"), number("download"), number("delete")) == (1, 1, 1)
    assert number("user_export_fetched", success=False) == 5
    assert list(files.present()) == []


@pytest.mark.parametrize("turn", range(3))
def test_an_erasure_beside_all_of_it_leaves_no_file(body: dict[str, Any], race: Any, turn: int) -> None:
    export_id = ready(Api(), body)
    User.objects.update(erase_at=timezone.now())

    def erase() -> int:
        return sum(erasure.erase_due(before=timezone.now(), number=10, actor=Actor.system()))

    def take() -> Any:
        answer = fetch(Api(), body, export_id)
        return len(content_of(answer)) if answer.status_code == 200 else answer.status_code

    calls = [take, erase, lambda: ask(Api(), body).status_code, export_making.make_due]
    said = race(calls[turn:] + calls[:turn])
    assert not [one for one in said if isinstance(one, Exception)], said
    erase()
    export_making.make_due()
    assert User.objects.filter(erased_at__isnull=False).count() == 1
    assert not Export.objects.exists()
    assert list(files.present()) == []
