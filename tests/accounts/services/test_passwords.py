"""Passwords at the services: a link that resets one, used and refused."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import Link, LinkPurpose
from accounts.services import passwords
from gatehouse.client import Client
from tests.factories import EMAIL, Mailbox, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)
HERE = Client.local("test")


def test_a_reset_link_lives_an_hour_and_closes_the_one_before() -> None:
    user = UserFactory(email=EMAIL)
    tokens = []
    for _turn in range(2):
        with transaction.atomic():
            passwords.queue_reset(user=user, client=HERE)
        tokens.append(Mailbox().token())
    first, second = Link.objects.filter(user=user, purpose=LinkPurpose.RESET).order_by("created_at")
    assert tokens[0] != tokens[1]
    assert (first.open_key, second.is_open(timezone.now())) == (None, True)
    assert second.expires_at - second.created_at == timedelta(hours=1)
