"""Answers about one purpose at the same moment."""

from collections import Counter
from typing import Any

import pytest

from accounts.models import Consent, User
from accounts.services import consents
from gatehouse.client import Client
from sessions_app.models import Session
from tests.factories import EMAIL, Api, UserFactory, mark, trail

NEWS = "marketing-2026"
HERE = Client.local("test")


@pytest.fixture(autouse=True)
def _asked(settings: Any) -> None:
    settings.GATEHOUSE = settings.GATEHOUSE | {"LIMITS_SCALE": 100}
    settings.ACCOUNTS = {"OPTIONAL_CONSENTS": ((NEWS, "Mail me news"),), "TERMS_VERSION": "2"}


@pytest.fixture
def headers(api: Api) -> dict[str, str]:
    UserFactory(email=EMAIL)
    return {"authorization": f"Bearer {api.sign_in()['access_token']}"}


def test_many_alike_leave_one_row_and_one_record(api: Api, headers: dict[str, str], race: Any) -> None:
    since = mark()
    asked = {"version": "2", "granted": True}
    made = race([lambda: Api().post("/me/consents", asked, **headers)] * 10)
    assert Counter(one.status_code for one in made) == {201: 10}
    assert len({one.content for one in made}) == 1
    row, user = Consent.objects.get(), User.objects.get()
    assert (user.terms_version, user.terms_given_at) == ("2", row.at)
    assert trail(since) == [("user_consent_given",)]


@pytest.mark.parametrize("turn", range(3))
def test_the_account_says_what_the_newest_row_says(api: Api, headers: dict[str, str], race: Any, turn: int) -> None:
    user, session = User.objects.get(), Session.objects.get()

    def say(granted: bool) -> Any:
        return consents.answer(user=user, session=session, answers={"2": granted, NEWS: granted}, client=HERE)

    made = race([lambda granted=granted: say(granted) for granted in (True, False) * 5])
    assert [one for one in made if isinstance(one, Exception)] == []
    for purpose in ("terms", "marketing"):
        rows = list(Consent.objects.filter(purpose=purpose).newest_first())
        moments = [row.at for row in rows]
        assert moments == sorted({*moments}, reverse=True)
        assert all(new.granted != old.granted for new, old in zip(rows, rows[1:], strict=False))
    newest = Consent.objects.filter(purpose="terms").newest_first()[0]
    user.refresh_from_db()
    assert (user.terms_version, user.terms_given_at) == (("2", newest.at) if newest.granted else ("", None))
    assert len(trail()) > 0


def test_both_pages_of_one_sign_in_may_answer(api: Api, headers: dict[str, str], race: Any) -> None:
    """Two tabs that agree at once both go on."""
    user, session = User.objects.get(), Session.objects.get()
    made = race([lambda: consents.answer(user=user, session=session, answers={"2": True}, client=HERE)] * 2)
    assert [row.version for [row] in made] == ["2", "2"] and made[0][0].pk == made[1][0].pk
