import pytest

from tests.factories import Api, Mailbox


@pytest.fixture
def api(db: None) -> Api:
    return Api()


@pytest.fixture
def mailbox(api: Api) -> Mailbox:
    return api.mailbox
