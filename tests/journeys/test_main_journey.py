"""Sign up, read the mail, confirm, sign in, type the code, see one's security, sign out: in a real browser."""

import pytest

from tests.journeys.visitor import PASSWORD, Visitor

pytestmark = pytest.mark.browser


def test_newcomer_signs_up_confirms_signs_in_and_signs_out(visitor: Visitor) -> None:
    page = visitor.page
    visitor.open("/")
    visitor.sees("Sign in")
    page.get_by_role("link", name="Create an account").click()
    visitor.sees("Create an account")

    page.get_by_label("Email address").fill("not an address")
    page.get_by_label("Create a password").fill("short")
    visitor.press("Create account")
    visitor.has_error("Enter an email address in the correct format, like name@example.com")
    visitor.has_error("Password must be 12 characters or more")
    visitor.has_error("Agree to the terms to create an account")
    assert page.get_by_label("Email address").input_value() == "not an address"
    assert page.get_by_label("Create a password").input_value() == ""

    page.get_by_label("Email address").fill(visitor.address)
    page.get_by_label("Create a password").fill(PASSWORD)
    page.get_by_label("I agree to the terms").check()
    visitor.press("Create account")
    visitor.sees("Check your email")
    assert visitor.address in page.locator("main").inner_text()

    link = visitor.reads_link()
    page.goto(link)
    visitor.sees("Confirm your email address")
    assert link.rsplit("/", 1)[1] not in page.url
    visitor.press("Confirm email address")
    visitor.sees("Sign in")
    assert "Your address is confirmed." in page.get_by_role("status").inner_text()

    visitor.gives_password("a wrong but long password")
    visitor.has_error("The email or password is wrong. Try again or reset your password.")
    assert page.get_by_label("Email address").input_value() == visitor.address
    visitor.gives_password()
    visitor.sees("Enter the code")
    assert visitor.address not in page.locator("main").inner_text()

    code = visitor.reads_code()
    page.get_by_label("Code", exact=True).fill("000000" if code != "000000" else "111111")
    visitor.press("Continue")
    visitor.has_error("That code is not correct. You have 4 tries left.")
    page.get_by_label("Code", exact=True).fill(f" {code[:3]}-{code[3:]} ")
    visitor.press("Continue")

    visitor.sees("Your security")
    card = page.get_by_role("region", name="Where you are signed in")
    assert "This device" in card.inner_text()
    page.get_by_role("link", name="Devices and sessions").click()
    visitor.sees("Devices and sessions")
    assert page.get_by_text("This device", exact=True).count() == 1
    page.get_by_role("link", name="Known devices").click()
    visitor.sees("Known devices")

    visitor.press("Sign out")
    visitor.sees("Sign in")
    visitor.open("/account/security")
    visitor.sees("Sign in")


def test_trusted_device_asks_for_no_code_until_it_is_forgotten(visitor: Visitor) -> None:
    page = visitor.page
    visitor.signs_up()
    visitor.open("/account/login")
    visitor.gives_password()
    page.get_by_label("Code", exact=True).fill(visitor.reads_code())
    page.get_by_label("Do not ask again on this device for 30 days").check()
    visitor.press("Continue")
    visitor.sees("Your security")
    visitor.press("Sign out of this device")

    visitor.gives_password()
    visitor.sees("Your security")
    visitor.open("/account/devices")
    assert "not trusted" not in page.locator("tbody tr").first.inner_text()
    page.get_by_role("link", name="Forget all devices").click()
    visitor.sees("Forget all devices")
    visitor.press("Forget all devices")
    assert "No device is known." in page.locator("main").inner_text()
    visitor.look()
    visitor.press("Sign out")

    visitor.gives_password()
    visitor.sees("Enter the code")
    visitor.press("Cancel and go back to sign in")
    visitor.sees("Sign in")


def test_every_page_without_an_account_stands(visitor: Visitor) -> None:
    for path, heading in {
        "/account/signup": "Create an account",
        "/account/check-email": "Check your email",
        "/account/verify/resend": "Send a new link",
        "/account/verify/nobody-made-this": "This link does not work",
        "/account/password/reset": "Forgot your password?",
        "/account/password/reset/sent": "Check your email",
        "/account/password/reset/nobody-made-this": "This link does not work any more",
        "/account/password/change": "Sign in",
        "/account/login": "Sign in",
        "/account/otp": "Sign in",
        "/account/logout": "Sign in",
        "/account/help": "Help",
        "/account/terms": "Terms",
        "/account/privacy": "Privacy",
        "/problems/otp_invalid": "The code is wrong",
        "/nothing-is-here": "Page not found",
    }.items():
        visitor.open(path)
        visitor.sees(heading)


def test_page_that_lost_its_cookies_says_so(visitor: Visitor) -> None:
    visitor.open("/account/login")
    visitor.page.context.clear_cookies()
    visitor.gives_password()
    visitor.sees("This page was open too long")
    visitor.page.get_by_role("link", name="Back to the form").click()
    visitor.sees("Sign in")
