"""What the words above a view ask of callers whom another scheme let in; docs/sessions.md is run in hosts/."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from gatehouse.problems import Problem
from sessions_app import access

ACTIVE, INACTIVE = (SimpleNamespace(is_authenticated=True, is_active=active) for active in (True, False))


def verdict(permission: type[access.OptionalUser], user: Any) -> str:
    request: Any = SimpleNamespace(user=user, auth="a token of the host's own")
    try:
        assert permission().has_permission(request, None)
    except Problem as problem:
        return problem.code
    assert request.auth_session is None
    return "comes in"


@pytest.mark.parametrize(
    ("permission", "verdicts"),
    [
        (access.OptionalUser, ["comes in", "comes in", "comes in"]),
        (access.RequiredUser, ["not_authenticated", "comes in", "comes in"]),
        (access.ActiveUser, ["not_authenticated", "account_disabled", "comes in"]),
        (access.FreshUser, ["not_authenticated", "account_disabled", "reauthentication_required"]),
    ],
)
def test_another_scheme_brings_no_session_and_maybe_no_active_account(
    permission: type[access.OptionalUser], verdicts: list[str]
) -> None:
    assert [verdict(permission, user) for user in (AnonymousUser(), INACTIVE, ACTIVE)] == verdicts


def test_a_view_that_takes_sessions_only_has_one() -> None:
    with pytest.raises(Problem, match="not_authenticated"):
        access.session_of(SimpleNamespace(auth=None))
