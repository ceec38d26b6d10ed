"""An import beside sign-ups, and beside itself."""

import io
import json
from collections import Counter
from typing import Any

import pytest

from accounts.imports.formats import from_json
from accounts.imports.lines import Lines
from accounts.models import Consent, User
from accounts.services import importing, registration
from audit.models import Event
from gatehouse.client import Client
from gatehouse.events import Actor
from tests.accounts.foreign_hashes import HASHES

NUMBER = 40
CLIENT = Client(ip="192.0.2.7", request_id="r")


@pytest.fixture(autouse=True)
def _no_rate_limits(settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 100}


def take() -> importing.Import:
    """Import a file of forty people in batches of ten."""
    hashed = HASHES["bcrypt-2b"][0]
    people = [
        {"email": f"person{n}@example.com", "password_hash": hashed, "email_verified": True} for n in range(NUMBER)
    ]
    stream = io.BytesIO("".join(json.dumps(one) + "\n" for one in people).encode())
    run = importing.Import(from_json(Lines(stream)), client=CLIENT, actor=Actor.command(), batch=10)
    for _refused in run.steps():
        pass
    return run


def test_imports_of_one_file_at_once_make_one_account_of_each_line(transactional_db: None, race: Any) -> None:
    runs = race([take] * 3)
    assert [(run.taken + run.present, run.refused) for run in runs] == [(NUMBER, 0)] * 3
    assert sum(run.taken for run in runs) == NUMBER == User.objects.count()
    assert Event.objects.filter(action="user_imported").count() == NUMBER
    assert Event.objects.values("user_id").distinct().count() == NUMBER


def test_whoever_signs_up_while_the_file_is_read_is_first_or_second_but_never_both(
    transactional_db: None, race: Any
) -> None:
    def sign_up() -> Any:
        for number in range(0, NUMBER, 4):
            registration.register(
                email=f"Person{number}@example.com", password="a stranger's password", accept_terms=True, client=CLIENT
            )

    run, *others = race([take, sign_up, sign_up])
    assert others == [None, None]
    assert User.objects.count() == NUMBER and run.taken + run.refused == NUMBER
    told = Counter(Event.objects.filter(success=True).values_list("action", flat=True))
    assert told["user_imported"] == run.taken == User.objects.filter(is_active=True).count()
    signed_up = User.objects.filter(is_active=False)
    assert signed_up.count() == run.refused
    assert set(Consent.objects.values_list("user_id", flat=True)) == set(signed_up.values_list("pk", flat=True))
