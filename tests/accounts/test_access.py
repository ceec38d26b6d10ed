"""The names by which views, ours and a host's, say who may call them; and Django's has_perm."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from accounts.access import AllowedTo, IsAdmin, IsModerator, IsSuperAdmin, allowed_to
from accounts.backends import MatrixBackend
from accounts.roles import MATRIX, Role
from gatehouse.problems import Problem
from sessions_app import tokens
from sessions_app.models import Door
from sessions_app.principal import Principal
from tests.accounts.staff import open_session, person, signed
from tests.factories import mark, trail

pytestmark = [pytest.mark.integration, pytest.mark.django_db]

STAFF = {Role.SUPER_ADMIN, Role.ADMIN, Role.MODERATOR}


def verdict(asked: type[AllowedTo], user: Any, *factors: str, door: Door = Door.API) -> str:
    """Return the code of the refusal, or "in"."""
    request = RequestFactory().get("/somewhere")
    request.user = user
    request.auth = Principal(open_session(user, *factors, door=door), user) if user.pk else None  # type: ignore[attr-defined]
    try:
        asked().has_permission(request, None)
    except Problem as problem:
        return problem.code
    return "in"


@pytest.mark.parametrize(
    ("asked", "let_in"),
    [
        (IsSuperAdmin, {Role.SUPER_ADMIN}),
        (IsAdmin, {Role.SUPER_ADMIN, Role.ADMIN}),
        (IsModerator, STAFF),
        (AllowedTo.of(Role.MODERATOR, Role.GUEST), {Role.MODERATOR, Role.GUEST}),
        (AllowedTo.of("account.change"), set(Role) - {Role.GUEST}),
        (AllowedTo.of("users.grant", Role.USER), {Role.SUPER_ADMIN, Role.USER}),
        (AllowedTo.of(), set()),
        (AllowedTo.of("no.such"), set()),
    ],
    ids=["super_admin", "admin", "moderator", "set", "permission", "either", "nobody", "unknown"],
)
def test_i01_who_is_let_in(asked: type[AllowedTo], let_in: set[Role]) -> None:
    """A rank lets in those above it as well; a set of roles is exactly that set."""
    for role in Role:
        outside = "role_not_allowed" if role in STAFF else "permission_denied"
        assert verdict(asked, person(role)) == ("in" if role in let_in else outside), role
    assert verdict(asked, AnonymousUser()) == "not_authenticated"


def test_i07_staff_come_in_by_an_app_and_never_from_the_pages() -> None:
    admin = person(Role.ADMIN)
    assert verdict(IsModerator, admin, "password", "email") == "factor_required"
    assert verdict(IsModerator, admin, "password", "totp", door=Door.PAGE) == "permission_denied"
    assert verdict(IsModerator, admin, "password", "totp", door=Door.STAFF) == "in"
    assert verdict(AllowedTo.of(Role.USER), person(), "password", door=Door.PAGE) == "in"


@allowed_to(Role.USER, "users.read")
def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user.pk))


def test_a_plain_view_is_held_to_the_same() -> None:
    def called(user: Any = None) -> str:
        headers = {"HTTP_AUTHORIZATION": f"Bearer {tokens.access_for(open_session(user))}"} if user else {}
        request = RequestFactory().post("/somewhere", **headers)
        try:
            return view(request).content.decode()
        except Problem as problem:
            return problem.code

    for user in (person(), person(Role.MODERATOR)):
        assert called(user) == str(user.pk)
    since = mark()
    assert called(person(Role.GUEST)) == "permission_denied"
    assert ("authz_fail", "not_permitted") in trail(since)
    assert view.csrf_exempt  # type: ignore[attr-defined]  # it asks by itself where a cookie signs in


@pytest.mark.parametrize("role", Role)
def test_has_perm_is_the_matrix(role: Role) -> None:
    """No rows: what the matrix says is what Django's own question is answered with."""
    active, disabled = person(role), person(role, disabled=True)
    for permission in MATRIX[Role.SUPER_ADMIN]:
        assert active.has_perm(permission) is (permission in MATRIX[role]), permission
        assert not disabled.has_perm(permission), permission


def test_has_perm_about_somebody_asks_who_stands_above_whom() -> None:
    admin, other, jane = person(Role.ADMIN), person(Role.ADMIN), person()
    assert admin.has_perm("users.disable", jane)
    assert not admin.has_perm("users.disable", other) and not admin.has_perm("users.disable", admin)
    assert admin.has_perms(["users.read", "users.role"]) and not admin.has_perms(["users.read", "users.grant"])
    assert admin.has_module_perms("users") and not jane.has_module_perms("users")
    assert MatrixBackend().get_all_permissions(jane) == MATRIX[Role.USER]
    assert MatrixBackend().get_all_permissions(SimpleNamespace()) == set()


def test_the_backend_lets_nobody_in() -> None:
    jane = person()
    assert auth.authenticate(username=jane.email, password="anything") is None
    assert MatrixBackend().get_user(jane.pk) is None


def test_no_moderator_of_the_matrix_changes_anything() -> None:
    reads = {"users.read", "users.sessions.read", "audit.read_below"}
    assert MATRIX[Role.MODERATOR] - MATRIX[Role.USER] == reads
    assert signed(Role.MODERATOR).get("/users").status_code == 200
