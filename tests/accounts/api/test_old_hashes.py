"""People of another system sign in with the password they had, and by that get a hash of today."""

from typing import Any

import pytest

from accounts.models import User
from accounts.old_hashes import kept_form
from tests.accounts.foreign_hashes import HASHES
from tests.factories import EMAIL, Api, Mailbox, UserFactory, mark, problem, trail

pytestmark = pytest.mark.django_db


def person(name: str, **traits: Any) -> tuple[User, str]:
    """Make an account with one of the old hashes; return it with its password."""
    given, password, _scheme = HASHES[name]
    return UserFactory(email=EMAIL, password=kept_form(given).encoded, password_changed_at=None, **traits), password


@pytest.mark.parametrize("name", HASHES)
def test_the_first_sign_in_writes_argon2id_and_the_next_one_needs_no_more(
    api: Api, mailbox: Mailbox, name: str
) -> None:
    user, password = person(name)
    old = user.password
    problem("invalid_credentials", 401, api.login(password=password + "x" if len(password) < 60 else "x"))
    user.refresh_from_db()
    assert user.password == old, "a wrong password leaves the hash as it is"
    since = mark()
    challenge = api.login(password=password).json()["challenge"]["id"]
    assert api.answer(challenge, mailbox.code()).status_code == 200
    assert ("authn_login_success",) in trail(since)
    user.refresh_from_db()
    fresh = user.password
    assert fresh.startswith("argon2$argon2id$v=19$") and fresh != old
    assert user.password_changed_at is None, "the password is the same"
    assert api.login(password=password).json()["status"] == "otp_required"
    problem("invalid_credentials", 401, api.login(password="not the password at all"))
    user.refresh_from_db()
    assert user.password == fresh


def test_the_hash_itself_is_no_password(api: Api) -> None:
    user, _password = person("bcrypt-2b")
    for stored in (user.password, HASHES["bcrypt-2b"][0]):
        problem("invalid_credentials", 401, api.login(password=stored))


def test_an_unproved_address_is_asked_for_its_proof_and_the_password_stays(api: Api, mailbox: Mailbox) -> None:
    user, password = person("passlib-pbkdf2", unverified=True, terms_version="", terms_given_at=None)
    assert api.login(password=password).json() == {"status": "email_unverified"}
    assert api.verify().status_code == 200
    challenge = api.login(password=password).json()["challenge"]["id"]
    assert api.answer(challenge, mailbox.code()).status_code == 200
    user.refresh_from_db()
    assert user.password.startswith("argon2$argon2id$") and user.is_active


def test_whoever_signs_in_with_an_old_hash_can_change_the_password(api: Api, mailbox: Mailbox) -> None:
    _user, password = person("bcrypt-2y")
    challenge = api.login(password=password).json()["challenge"]["id"]
    access = api.answer(challenge, mailbox.code()).json()["access_token"]
    asked = {"current_password": password, "new_password": "a long and quiet river"}
    assert api.post("/me/password", asked, authorization=f"Bearer {access}").status_code in (200, 204)
    assert api.login(password="a long and quiet river").json()["status"] == "otp_required"
