from typing import Any

import pytest

from accounts.roles import Role
from tests.adminpanel.staff import Staff
from tests.factories import UserFactory


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.GATEHOUSE = {**settings.GATEHOUSE, "LIMITS_SCALE": 1}


@pytest.fixture
def admin(db: None) -> Staff:
    """An admin who has not signed in."""
    return Staff(Role.ADMIN)


@pytest.fixture
def inside(admin: Staff) -> Staff:
    """An admin who has just signed in."""
    return admin.sign_in()


@pytest.fixture
def moderator(db: None) -> Staff:
    return Staff(Role.MODERATOR).sign_in()


@pytest.fixture
def jane(db: None) -> Any:
    """Somebody whom staff look after."""
    return UserFactory(email="jane@example.com")
