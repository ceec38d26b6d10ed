"""Give up an account, keep it by the button and by the link, and have it erased: in a real browser."""

import re

import pytest

from tests.journeys.visitor import PASSWORD, Visitor

pytestmark = pytest.mark.browser

_LINK = re.compile(r"^https?://\S+/account/delete/undo/\S+(?=\s)", re.MULTILINE)
MAKE_DUE = (
    "from django.utils import timezone; from accounts.models import User; "
    "User.objects.filter(email_key='{}').update(erase_at=timezone.now())"
)


def mailed_link(visitor: Visitor) -> str:
    found = _LINK.search(visitor.reads_mail())
    assert found
    return found[0]


def gives_up(visitor: Visitor) -> None:
    visitor.open("/account/delete")
    visitor.sees("Delete your account")
    visitor.page.get_by_label("Your password").fill(PASSWORD)
    visitor.press("Delete my account")
    visitor.sees("Your security")


def test_an_account_is_given_up_kept_and_erased(visitor: Visitor) -> None:
    page = visitor.page
    visitor.signs_up()
    visitor.signs_in()
    page.get_by_role("link", name="Delete your account").click()
    visitor.sees("Delete your account")
    page.get_by_label("Your password").fill("a wrong but long password")
    visitor.press("Delete my account")
    visitor.has_error("The password is wrong. Try again.")
    assert page.get_by_label("Your password").input_value() == ""
    page.get_by_role("link", name="Cancel").click()
    visitor.sees("Your security")
    assert "will be erased" not in page.locator("main").inner_text()

    gives_up(visitor)
    assert f"We mailed {visitor.address} a link" in page.get_by_role("status").inner_text()
    assert "You can undo this until then." in page.locator("main").inner_text()
    link = mailed_link(visitor)
    visitor.open("/account/delete")
    visitor.sees("Your account will be erased")
    visitor.press("Keep my account")
    visitor.sees("Your security")
    assert "Your account stays. Nothing was erased." in page.get_by_role("status").inner_text()
    assert "Your account stays" in visitor.reads_mail()
    page.goto(link)
    visitor.sees("Your account stays")

    gives_up(visitor)
    link = mailed_link(visitor)
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.goto(link)
    visitor.sees("Keep your account?")
    assert link.rsplit("/", 1)[1] not in page.url
    visitor.press("Keep my account")
    visitor.sees("Sign in")
    assert "Your account stays. Nothing was erased." in page.get_by_role("status").inner_text()
    assert "Your account stays" in visitor.reads_mail()

    visitor.signs_in()
    gives_up(visitor)
    link = mailed_link(visitor)
    visitor.site.manage("shell", "-c", MAKE_DUE.format(visitor.address))
    visitor.open("/account/security")
    visitor.sees("Your security")
    assert "Your account is being erased." in page.locator("main").inner_text()
    assert "Accounts erased: 1." in visitor.site.manage("accounts", "erase-due").stdout
    assert "Your account was erased" in visitor.reads_mail()
    visitor.open("/account/security")
    visitor.sees("Sign in")
    page.goto(link)
    visitor.sees("This link does not work")
    visitor.open("/account/login")
    visitor.gives_password()
    visitor.has_error("The email or password is wrong. Try again or reset your password.")
    visitor.signs_up()
    visitor.signs_in()
    visitor.sees("Your security")
    assert "will be erased" not in page.locator("main").inner_text()
