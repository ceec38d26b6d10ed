"""Who the bench asks as: accounts with a password, and sessions with their tokens."""

from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.tokens import RefreshToken

from accounts import passwords
from accounts.models import Status, User
from bench.views import PASSWORD
from gatehouse.client import Client
from sessions_app import services as sessions
from sessions_app import tokens
from sessions_app.models import Door, Transport


def accounts(number: int) -> list[User]:
    """Make *number* active accounts; they share one hash, which costs the same to verify as one of their own."""
    encoded = passwords.hash_new_password(PASSWORD)
    people = []
    for serial in range(number):
        email = f"bench{serial}@example.com"
        user = User(email=email, email_key=email, password=encoded, email_verified_at=timezone.now())
        user.set_status(Status.ACTIVE)
        people.append(user)
    return User.objects.bulk_create(people)


def access_tokens(people: list[User]) -> list[str]:
    """Sign each of *people* in, and return their access tokens."""
    return [issued.access_token for issued in _signed_in(people)]


def refresh_tokens(people: list[User]) -> list[str]:
    """Sign each of *people* in, and return their refresh tokens."""
    return [issued.refresh_token for issued in _signed_in(people)]


def simplejwt_tokens(people: list[User]) -> list[str]:
    """Return a refresh token of djangorestframework-simplejwt for each of *people*, known to its blacklist app."""
    return [str(RefreshToken.for_user(user)) for user in people]


def _signed_in(people: list[User]) -> list[tokens.Tokens]:
    client = Client(ip="127.0.0.1", user_agent="bench")
    issued = []
    for user in people:
        with transaction.atomic():
            session = sessions.open(
                user=user,
                client=client,
                door=Door.API,
                transport=Transport.BEARER,
                factors=["password", "email"],
                device=None,
            )
        issued.append(tokens.issue(session))
    return issued
