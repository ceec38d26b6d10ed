import pytest

from tests.accounts.pages.person import Person


@pytest.fixture
def person(db: None) -> Person:
    return Person()


@pytest.fixture
def member(person: Person) -> Person:
    """Somebody with an account whose address is confirmed, not signed in."""
    person.sign_up()
    person.confirm()
    return person


@pytest.fixture
def at_home(member: Person) -> Person:
    """Somebody who is signed in."""
    member.sign_in()
    return member
