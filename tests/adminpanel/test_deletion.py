"""What staff see of an account that was deleted, is about to go, or was erased."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from accounts.services import erasure
from gatehouse.events import Actor
from tests.adminpanel.staff import Staff, text_of

REASON = "Asked for it in writing"


def page_of(staff: Staff, user: Any) -> str:
    return text_of(staff.get(f"accounts/user/{user.pk}/"))


def at(moment: Any) -> str:
    return f"{moment:%-d %B %Y, %H:%M} UTC"


def test_a_deleted_account_shows_why_and_until_when_it_stays(inside: Staff, jane: Any) -> None:
    inside.act("delete", jane, reason=REASON)
    found = User.objects.get(pk=jane.pk)
    page = page_of(inside, jane)
    assert f"Deleted {at(found.deleted_at)} {REASON}" in page
    assert f"To be erased {at(found.erase_at)} Nobody can undo this" in page
    assert abs(found.erase_at - timezone.now() - timedelta(days=14)) < timedelta(minutes=1)


def test_an_account_that_its_owner_gives_up_is_active_and_shows_it(inside: Staff, jane: Any) -> None:
    due = timezone.now() + timedelta(days=3)
    User.objects.filter(pk=jane.pk).update(erase_at=due)
    page = page_of(inside, jane)
    assert "Status Active" in page and f"To be erased {at(due)} Asked for by its owner" in page
    assert "To be erased" not in page_of(inside, inside.user)


def test_an_erased_account_is_found_by_its_id_and_shows_nothing_of_its_owner(inside: Staff, jane: Any) -> None:
    inside.act("delete", jane, reason=REASON)
    User.objects.filter(pk=jane.pk).update(erase_at=timezone.now())
    assert list(erasure.erase_due(before=timezone.now(), number=1, actor=Actor.system())) == [1]
    page = page_of(inside, jane)
    erased = User.objects.get(pk=jane.pk).erased_at
    assert f"Erased {at(erased)}" in page and "To be erased" not in page
    profile = page.split("What happened")[0]
    assert jane.email not in profile and jane.display_name not in profile and REASON not in profile
    listed = text_of(inside.get("accounts/user/", q=str(jane.pk)))
    assert "@erased.invalid" in listed and jane.email not in listed
    assert jane.email not in text_of(inside.get("accounts/user/", q=jane.email)).split("jane@example.com", 1)[-1]
