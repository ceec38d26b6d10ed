"""Passwords: a link that resets one, asked for and used, and one changed by whoever knows it."""

from django.utils import timezone

from accounts import links, mails
from accounts.conf import app_settings
from accounts.models import LinkPurpose, User
from gatehouse.client import Client


def queue_reset(*, user: User, client: Client) -> None:
    """Mail *user* a link that sets a new password, in the caller's transaction; an earlier one is closed.

    FEATURES 19; ASVS 6.4.3.
    """
    life = app_settings().RESET_TTL
    link = links.issue(user=user, purpose=LinkPurpose.RESET, life=life, client=client, now=timezone.now())
    mails.password_reset(link, client)
