"""What the API shows of accounts and challenges (API.md, Shapes)."""

from typing import Any

from accounts.models import User
from accounts.services.codes import ChallengeView
from sessions_app.models import Session
from sessions_app.shapes import moment, session_shape


def user_shape(user: User) -> dict[str, Any]:
    """Return *user* as the account's owner sees it; never a hash."""
    consent = {"version": user.terms_version, "given_at": moment(user.terms_given_at)} if user.terms_given_at else None
    return {
        "id": str(user.pk),
        "email": user.email,
        "email_verified": user.email_verified,
        "display_name": user.display_name,
        "role": user.role,
        "status": user.status,
        "created_at": moment(user.created_at),
        "last_login_at": moment(user.last_login) if user.last_login else None,
        "password_changed_at": moment(user.password_changed_at) if user.password_changed_at else None,
        "consent": consent,
    }


def challenge_shape(challenge: ChallengeView) -> dict[str, Any]:
    """Return what a client needs to go on with a sign-in."""
    return {
        "id": str(challenge.id),
        "method": challenge.method,
        "methods": [{"type": method.type, "hint": method.hint} for method in challenge.methods],
        "expires_at": moment(challenge.expires_at),
        "resend_after": challenge.resend_after,
    }


def me_shape(user: User, session: Session) -> dict[str, Any]:
    """Return the session at hand with its user."""
    return {"session": session_shape(session, current_id=session.pk), "user": user_shape(user)}
