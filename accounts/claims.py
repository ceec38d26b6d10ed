"""What an access token says of its account besides its id (the setting ``SESSIONS["CLAIMS"]``)."""

from accounts.models import AbstractAccount


def for_user(user: AbstractAccount) -> dict[str, str]:
    """Return the claims of *user*: the role, and nothing personal."""
    return {"role": user.role}
