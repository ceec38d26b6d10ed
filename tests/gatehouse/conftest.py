from collections.abc import Iterator

import pytest
from django.test import Client

from gatehouse import memory
from tests.gatehouse import doors

TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": False}]


@pytest.fixture(autouse=True)
def _fresh_memory() -> Iterator[None]:
    memory.forget_all()
    yield
    memory.forget_all()


@pytest.fixture
def site(settings) -> Client:
    """The small site of doors.py, with bare error pages, as a browser that sees answers and no exceptions."""
    settings.ROOT_URLCONF = "tests.gatehouse.doors"
    settings.MIDDLEWARE = doors.MIDDLEWARE
    settings.TEMPLATES = TEMPLATES
    return Client(raise_request_exception=False)
