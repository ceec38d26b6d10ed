"""Every index and constraint that the design names, found by name on each database; and what goes with a user."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from accounts.models import Challenge, Consent, Link, Mail, RecoveryCode, TotpDevice, User
from audit.models import Event
from gatehouse.models import Counter
from sessions_app.models import Device, Session
from tests.factories import EMAIL, Api, UserFactory

pytestmark = pytest.mark.django_db

APPS = ("accounts", "sessions_app", "audit", "gatehouse", "adminpanel")
# What the design wants found quickly: table, columns, whether unique.
WANTED = [
    (User, ["email_key"], True),
    (User, ["status"], False),
    (User, ["role"], False),
    (User, ["created_at"], False),
    (Link, ["token_hash"], True),
    (Link, ["open_key"], True),
    (Link, ["expires_at"], False),
    (Link, ["held_key"], False),
    (Challenge, ["user_id"], False),
    (Challenge, ["expires_at"], False),
    (Mail, ["state", "next_try_at"], False),
    (RecoveryCode, ["code_hash"], True),
    (Session, ["user_id"], False),
    (Session, ["refresh_id"], True),
    (Session, ["idle_expires_at"], False),
    (Session, ["absolute_expires_at"], False),
    (Session, ["revoked_at"], False),
    (Session, ["device_id"], False),
    (Device, ["user_id"], False),
    (Counter, ["expires_at"], False),
]


def constraints(model: type[models.Model]) -> dict[str, dict[str, object]]:
    with connection.cursor() as cursor:
        found: dict[str, dict[str, object]] = connection.introspection.get_constraints(cursor, model._meta.db_table)
    return found


@pytest.mark.parametrize(("model", "columns", "unique"), WANTED)
def test_what_is_searched_for_has_an_index(model: type[models.Model], columns: list[str], unique: bool) -> None:
    found = [one for one in constraints(model).values() if one["columns"][: len(columns)] == columns]  # type: ignore[index]
    assert found, columns
    assert not unique or any(one["unique"] and one["columns"] == columns for one in found)


@pytest.mark.parametrize("model", [model for model in apps.get_models() if model._meta.app_label in APPS])
def test_every_named_index_and_constraint_is_there(model: type[models.Model]) -> None:
    named = {index.name for index in model._meta.indexes} | {one.name for one in model._meta.constraints}
    assert named <= set(constraints(model))


@pytest.mark.parametrize("change", [
    {"status": "nonsense"},
    {"role": "root"},
    {"status": "disabled", "is_active": True},
    {"status": "active", "is_active": False},
    {"role": "user", "is_staff": True},
    {"role": "admin", "is_staff": False},
])  # fmt: skip
def test_the_database_refuses_an_account_that_contradicts_itself(change: dict[str, object]) -> None:
    user = UserFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=user.pk).update(**change)


def test_h09_the_database_refuses_a_second_account_of_one_address() -> None:
    UserFactory(email=EMAIL)
    with pytest.raises(IntegrityError), transaction.atomic():
        UserFactory(email="JANE@EXAMPLE.COM")


def test_addresses_that_a_loose_collation_takes_for_one_are_two() -> None:
    UserFactory(email="jane@example.com")
    UserFactory(email="jáne@example.com")
    UserFactory(email="jane+1@example.com")
    assert User.objects.filter(email_key="jane@example.com").count() == 1


def test_what_belongs_to_an_account_goes_with_it_and_the_trail_stays() -> None:
    api = Api()
    user = UserFactory(email=EMAIL, app=True)
    api.answer(api.challenge(), user.recovery[0], method="recovery")
    api.register("other@example.com")
    other = User.objects.get(email="other@example.com")
    Consent.objects.create(user=user, version="1", granted=True, at=timezone.now())
    for number in range(2):
        Link.objects.create(
            user=user,
            purpose="verify",
            token_hash=f"{number}" * 64,
            email=EMAIL,
            created_at=timezone.now(),
            expires_at=timezone.now() + timedelta(days=1),
        )
    owned = (Challenge, Consent, Link, Mail, RecoveryCode, TotpDevice, Device, Session)
    assert all(model.objects.filter(user=user).exists() for model in owned)
    events = list(Event.objects.values())
    user.delete()
    assert not any(model.objects.filter(user_id=user.pk).exists() for model in owned)
    assert list(Event.objects.values()) == events and events
    assert Link.objects.filter(user=other).exists() and User.objects.get() == other


def test_a_device_that_goes_leaves_its_sessions() -> None:
    UserFactory(email=EMAIL)
    Api().sign_in()
    Device.objects.all().delete()
    assert Session.objects.get().device is None


def test_nothing_has_a_foreign_key_to_the_trail() -> None:
    """One name to join by there is: the database knows of no key behind it, and nothing follows from it."""
    pointing = {
        f"{model._meta.label}.{field.name}": (field.db_constraint, field.remote_field.on_delete)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.concrete and field.remote_field and field.related_model is Event
    }
    assert pointing == {"audit.Index.event": (False, models.DO_NOTHING)}
    assert not [field for field in Event._meta.concrete_fields if field.is_relation]


def test_failures_are_kept_by_a_pseudonym() -> None:
    Api().login(EMAIL, "not the password at all")
    assert EMAIL not in AccessAttempt.objects.get().username
