"""What the API shows of accounts and challenges."""

from datetime import datetime
from typing import Any

from accounts import people
from accounts.models import Consent, User
from accounts.people import Described
from accounts.services.codes import ChallengeView
from accounts.services.own_factors import FactorView
from sessions_app.models import Session
from sessions_app.shapes import moment, session_shape


def user_shape(user: User) -> dict[str, Any]:
    """Return *user* as the account's owner sees it; never a hash."""
    given_at = user.terms_given_at if user.terms_version else None
    consent = {"version": user.terms_version, "given_at": moment(given_at)} if given_at else None
    return {
        "id": str(user.pk),
        "email": user.email,
        "email_verified": user.email_verified,
        "display_name": user.display_name,
        "role": user.role,
        "status": user.status,
        "created_at": moment(user.created_at),
        "last_login_at": optional_moment(user.last_login),
        "password_changed_at": optional_moment(user.password_changed_at),
        "consent": consent,
    }


def staff_user_shape(told: Described, viewer: Any) -> dict[str, Any]:
    """Return an account as staff see it; *viewer* decides whether the address is whole."""
    user = told.user
    disabled = user.disabled_at and {
        "at": moment(user.disabled_at),
        "reason": user.disabled_reason,
        "by": user.disabled_by or None,
    }
    return {
        **user_shape(user),
        "email": people.address_of(user, viewer),
        "email_verified_at": optional_moment(user.email_verified_at),
        "updated_at": moment(user.updated_at),
        "disabled": disabled or None,
        "deleted_at": optional_moment(user.deleted_at),
        "locked_until": optional_moment(told.lock.until),
        "failed_sign_ins": told.lock.failures,
        "factors": [factor_shape(factor) for factor in told.factors],
        "permissions": told.permissions,
    }


def optional_moment(at: datetime | None) -> str | None:
    """Return *at* as the API shows times, or None where there is none."""
    return moment(at) if at else None


def consent_shape(answer: Consent) -> dict[str, Any]:
    """Return one answer about a version."""
    return {"version": answer.version, "granted": answer.granted, "at": moment(answer.at)}


def challenge_shape(challenge: ChallengeView) -> dict[str, Any]:
    """Return what a client needs to go on with a sign-in."""
    return {
        "id": str(challenge.id),
        "method": challenge.method,
        "methods": [{"type": method.type, "hint": method.hint} for method in challenge.methods],
        "expires_at": moment(challenge.expires_at),
        "resend_after": challenge.resend_after,
    }


def factor_shape(factor: FactorView) -> dict[str, Any]:
    """Return a second step of signing in as its owner sees it."""
    shape = {
        "id": str(factor.id) if factor.id else None,
        "type": factor.type.value,
        "name": factor.name,
        "created_at": moment(factor.created_at),
        "last_used_at": optional_moment(factor.last_used_at),
    }
    return shape if factor.remaining is None else shape | {"remaining": factor.remaining}


def me_shape(user: User, session: Session) -> dict[str, Any]:
    """Return the session at hand with its user."""
    return {"session": session_shape(session, current_id=session.pk), "user": user_shape(user)}
