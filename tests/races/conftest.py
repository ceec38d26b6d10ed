import pytest

from tests.factories import Api, Mailbox


@pytest.fixture
def api(transactional_db: None) -> Api:
    return Api()


@pytest.fixture
def mailbox(api: Api) -> Mailbox:
    return api.mailbox
