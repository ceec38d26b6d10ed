"""Change the address, cancel it, change it again, and take it back: in a real browser."""

import pytest

from tests.journeys.visitor import PASSWORD, Visitor

pytestmark = pytest.mark.browser

STALE = (
    "from datetime import timedelta; from django.utils import timezone; from sessions_app.models import Session; "
    "Session.objects.filter(user__email='{}').update(authenticated_at=timezone.now() - timedelta(minutes=6))"
)


def ask(visitor: Visitor, email: str) -> None:
    visitor.page.get_by_label("New email address").fill(email)
    visitor.press("Send link")


def waits(visitor: Visitor, old: str, new: str) -> None:
    visitor.sees("Change your email address")
    said = f"We will keep using {old} until you confirm {new}."
    assert said in visitor.page.locator("main").inner_text()


def test_an_address_is_changed_and_undone(visitor: Visitor) -> None:
    page, old = visitor.page, visitor.address
    first, second = (f"{name}-{old.replace('.com', '.org')}" for name in ("first", "second"))
    visitor.signs_up()
    visitor.signs_in()
    page.get_by_role("link", name="Change your email address").click()
    visitor.sees("Change your email address")
    ask(visitor, old.upper())
    visitor.has_error("Enter an address that is not the one in force now")
    ask(visitor, first)
    waits(visitor, old, first)
    cancelling = visitor.reads_link()
    visitor.site.mails.wait_for(first)
    page.goto(cancelling)
    visitor.sees("Cancel the change of your address?")
    visitor.press("Cancel the change")
    visitor.sees("Your security")
    assert "The change is cancelled" in page.get_by_role("status").inner_text()

    visitor.open("/account/email/change")
    ask(visitor, second)
    waits(visitor, old, second)
    assert "Your email address is to be changed" in visitor.reads_mail()
    visitor.press("Cancel the change")
    visitor.sees("Change your email address")
    assert "The change is cancelled" in page.get_by_role("status").inner_text()
    visitor.site.manage("shell", "-c", STALE.format(old))
    visitor.open("/account/email/change")
    visitor.sees("Confirm it is you")
    page.get_by_label("Your password", exact=True).fill(PASSWORD)
    visitor.press("Confirm")
    ask(visitor, first)
    waits(visitor, old, first)
    undoing = visitor.reads_link()

    visitor.address, visitor.mails_read = first, 1  # the first mail there carried the cancelled link
    confirming = visitor.reads_link()
    page.goto(confirming)
    visitor.sees("Confirm your new email address")
    assert confirming.rsplit("/", 1)[1] not in page.url
    visitor.press("Confirm email address")
    visitor.sees("Your security")
    assert f"Your email address is now {first}." in page.get_by_role("status").inner_text()
    page.goto(confirming)
    visitor.sees("You have already confirmed this address")

    page.goto(undoing)
    visitor.sees("Put your old address back?")
    visitor.press("Put the old address back")
    visitor.sees("Sign in")
    assert "Your old address is back" in page.get_by_role("status").inner_text()
    page.goto(undoing)
    visitor.sees("The change is undone")
    page.goto(confirming.replace("/confirm/", "/undo/"))
    visitor.sees("There is nothing to undo")
