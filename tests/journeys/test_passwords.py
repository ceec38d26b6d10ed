"""Forget the password, read the mail, set a new one, change it again: in a real browser."""

import pytest

from tests.journeys.visitor import PASSWORD, Visitor

pytestmark = pytest.mark.browser

NEW, NEWER = "a long and quiet river", "another long quiet river"
GIVE_APP = (
    "from accounts.models import User; from tests.factories import give_app; "
    "print(give_app(User.objects.by_address('{}'))[0])"
)


def test_a_forgotten_password_is_reset_by_the_link_of_a_mail(visitor: Visitor) -> None:
    page = visitor.page
    visitor.signs_up()
    page.get_by_role("link", name="Forgot your password?").click()
    visitor.sees("Forgot your password?")
    page.get_by_label("Email address").fill("not an address")
    visitor.press("Send link")
    visitor.has_error("Enter an email address in the correct format, like name@example.com")
    page.get_by_label("Email address").fill(visitor.address)
    visitor.press("Send link")
    visitor.sees("Check your email")
    said = f"If there is an account for {visitor.address}, we have sent a link that works for 1 hour."
    assert said in page.get_by_role("status").inner_text()

    link = visitor.reads_link()
    page.goto(link)
    visitor.sees("Set a new password")
    assert link.rsplit("/", 1)[1] not in page.url
    assert visitor.address in page.locator("main").inner_text()
    page.get_by_label("New password").fill("short")
    visitor.press("Set password")
    visitor.has_error("Password must be 12 characters or more")
    assert page.get_by_label("New password").input_value() == ""
    page.get_by_label("New password").fill(NEW)
    if visitor.javascript:
        page.get_by_role("button", name="Show password").click()
        assert page.get_by_label("New password").get_attribute("type") == "text"
    visitor.press("Set password")
    visitor.sees("Sign in")
    assert f"The password of {visitor.address} is changed" in page.get_by_role("status").inner_text()
    assert "Your password was changed" in visitor.reads_mail()

    visitor.gives_password()
    visitor.has_error("The email or password is wrong. Try again or reset your password.")
    visitor.gives_password(NEW)
    visitor.sees("Enter the code")
    page.goto(link)
    visitor.sees("This link does not work any more")
    page.get_by_role("link", name="Send a new link").click()
    visitor.sees("Forgot your password?")


def test_a_password_is_changed_by_whoever_knows_it(visitor: Visitor) -> None:
    page = visitor.page
    visitor.signs_up()
    visitor.signs_in()
    page.get_by_role("link", name="Change your password").click()
    visitor.sees("Change your password")
    assert page.get_by_label("Sign out my other devices").is_checked()
    page.get_by_label("Current password").fill("a wrong but long password")
    page.get_by_label("New password").fill(NEW)
    visitor.press("Change password")
    visitor.has_error("The current password is wrong")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill(PASSWORD)
    visitor.press("Change password")
    visitor.has_error("Choose a password that is not the one in force now")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill(NEW)
    visitor.press("Change password")
    visitor.sees("Your security")
    assert "Your password is changed." in page.get_by_role("status").inner_text()
    visitor.open("/.well-known/change-password")
    visitor.sees("Change your password")
    page.get_by_label("Current password").fill(NEW)
    page.get_by_label("New password").fill(NEWER)
    visitor.press("Change password")
    visitor.sees("Your security")


def test_an_app_is_asked_for_and_a_recovery_code_stands_in_for_it(visitor: Visitor) -> None:
    page = visitor.page
    visitor.signs_up()
    recovery = visitor.site.manage("shell", "-c", GIVE_APP.format(visitor.address)).stdout.split()[-1]
    visitor.open("/account/password/reset")
    page.get_by_label("Email address").fill(visitor.address)
    visitor.press("Send link")
    page.goto(visitor.reads_link())
    visitor.sees("Set a new password")
    page.get_by_label("New password").fill(NEW)
    visitor.press("Set password")
    visitor.has_error("Enter the code")
    page.get_by_label("Code", exact=True).fill("12")
    page.get_by_label("New password").fill(NEW)
    visitor.press("Set password")
    visitor.has_error("The code must be 6 numbers")
    page.get_by_role("link", name="Use a recovery code").click()
    visitor.sees("Set a new password")
    page.get_by_label("Recovery code").fill(recovery.upper())
    page.get_by_label("New password").fill(NEW)
    visitor.press("Set password")
    visitor.sees("Sign in")
    assert f"The password of {visitor.address} is changed" in page.get_by_role("status").inner_text()
