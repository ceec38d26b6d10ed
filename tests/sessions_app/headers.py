"""What a client of the API sends to say who it is, whatever the user model."""

from sessions_app import tokens
from sessions_app.models import Session


def bearer_of(session: Session) -> dict[str, str]:
    """Return the headers of whoever holds *session*."""
    return {"Authorization": f"Bearer {tokens.access_for(session)}"}
