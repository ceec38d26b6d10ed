"""Set up an app and its recovery codes, sign in with both, turn the app off: in a real browser."""

import os
import re
import time
from base64 import b32decode
from pathlib import Path
from typing import Any

import pytest
from django_otp.oath import TOTP

from accounts.services.factors import DIGITS, STEP
from tests.journeys.visitor import PASSWORD, Visitor

pytestmark = pytest.mark.browser

PICTURES = os.environ.get("PICTURES_OF_JOURNEYS", "")  # a folder, for whoever wants to look


class Phone:
    """An app that was given the key on the page."""

    def __init__(self, key: str) -> None:
        self.reader = TOTP(b32decode(key.replace(" ", "")), step=STEP, digits=DIGITS)
        self.used = 0

    def shows(self, steps: int = 0) -> str:
        self.reader.time = time.time() + steps * STEP
        return f"{self.reader.token():06d}"

    def next(self) -> str:
        """Return a code that was not typed before: the present one, else the one that is taken early."""
        while True:
            step = int(time.time()) // STEP
            for steps in (0, 1):
                if step + steps > self.used:
                    self.used = step + steps
                    return self.shows(steps)
            time.sleep(0.5)


def take(visitor: Visitor, name: str) -> None:
    """Keep a picture of the page, where somebody asked for pictures."""
    if PICTURES:
        look = f"{visitor.page.viewport_size['width']}-{'js' if visitor.javascript else 'nojs'}"
        visitor.page.screenshot(path=Path(PICTURES) / f"{name}-{look}.png", full_page=True, animations="disabled")


def sets_up(visitor: Visitor) -> tuple[Phone, list[str]]:
    """Go from "Your security" to the saved recovery codes; return the phone and the codes."""
    page = visitor.page
    page.get_by_role("link", name="Set up an authenticator app").click()
    visitor.sees("Set up an authenticator app")
    take(visitor, "18a-name")
    page.get_by_label("Name of the app or phone").fill("My phone")
    visitor.press("Continue")
    visitor.sees("Add this account to your app")
    picture = page.get_by_role("img", name="QR code for your authenticator app")
    assert picture.evaluate("img => img.complete && img.naturalWidth") > 100
    key = page.locator("#setup-key").inner_text()
    assert re.fullmatch(r"([A-Z2-7]{4} ){7}[A-Z2-7]{4}", key)
    assert page.get_by_role("link", name="Add it on this phone").get_attribute("href").startswith("otpauth://totp/")
    take(visitor, "18b-key")
    phone = Phone(key)
    page.get_by_label("Code", exact=True).fill(phone.shows(-20))
    visitor.press("Continue")
    visitor.has_error(
        "That code fits another time: the clock of your phone seems to be about 10 minutes slow. "
        "Let it set its time automatically, then type the code it shows then."
    )
    take(visitor, "18c-clock")
    assert page.locator("#setup-key").inner_text() == key
    page.get_by_label("Code", exact=True).fill(phone.next())
    visitor.press("Continue")
    return phone, saves(visitor)


def saves(visitor: Visitor) -> list[str]:
    """Save the codes on the page in every way there is, and go on."""
    page: Any = visitor.page
    visitor.sees("Save your recovery codes")
    take(visitor, "19-codes")
    codes = page.locator("#codes code").all_inner_texts()
    assert len(set(codes)) == 10
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    text = Path(download.value.path()).read_text()
    assert visitor.address in text and all(code in text for code in codes)
    for name in ("Print", "Copy"):
        assert page.get_by_role("button", name=name, exact=True).is_visible() is visitor.javascript
    assert page.locator("#codes .visually-hidden").first.inner_text() == " ".join(codes[0])  # read out letter by letter
    if visitor.javascript:
        page.evaluate("navigator.clipboard.writeText = async (text) => { document.body.dataset.copied = text; }")
        page.get_by_role("button", name="Copy", exact=True).click()
        page.get_by_text("Copied", exact=True).wait_for()
        assert page.evaluate("document.body.dataset.copied").split("\n") == codes
        page.evaluate("window.print = () => { document.body.dataset.printed = 'yes'; }")
        page.get_by_role("button", name="Print").click()
        assert page.evaluate("document.body.dataset.printed") == "yes"
    page.emulate_media(media="print")
    assert page.locator("#codes").is_visible() and page.locator(".only-print").is_visible()
    assert not page.locator("form").first.is_visible()
    lines = page.locator("#codes code").evaluate_all("codes => codes.map(code => code.getClientRects().length)")
    assert lines == [1] * 10, "a printed code is broken over lines"
    assert page.locator("#codes").evaluate("list => list.scrollWidth <= list.clientWidth")
    take(visitor, "19-print")
    page.emulate_media(media="screen")
    visitor.press("Continue")
    visitor.has_error("Save the codes, then tick “I have saved these codes”")
    page.get_by_label("I have saved these codes").check()
    visitor.press("Continue")
    visitor.sees("Your security")
    return list(codes)


def signs_out_and_gives_password(visitor: Visitor) -> None:
    visitor.press("Sign out of this device")
    visitor.sees("Sign in")
    visitor.gives_password()
    visitor.sees("Enter the code")


def test_an_app_is_set_up_used_and_turned_off(visitor: Visitor) -> None:
    page = visitor.page
    visitor.signs_up()
    visitor.signs_in()
    visitor.sees("Your security")
    phone, codes = sets_up(visitor)
    assert "My phone" in page.locator("main").inner_text()
    take(visitor, "14-security")
    assert "An authenticator app was added" in visitor.reads_mail()

    signs_out_and_gives_password(visitor)
    page.get_by_label("Code", exact=True).fill(phone.shows(40))
    visitor.press("Continue")
    visitor.has_error(
        "That code is not correct. You have 4 tries left. Check that the time on your phone is set automatically."
    )
    page.get_by_label("Code", exact=True).fill(phone.next())
    visitor.press("Continue")
    visitor.sees("Your security")

    signs_out_and_gives_password(visitor)
    page.get_by_role("link", name="Use another method").click()
    page.get_by_label("One of your recovery codes").check()
    visitor.press("Continue")
    visitor.sees("Enter a recovery code")
    page.get_by_label("Recovery code").fill(codes[0].upper().replace("-", " "))
    visitor.press("Continue")
    visitor.sees("Your security")
    assert "You used a recovery code. Each works once, and 9 are left." in page.get_by_role("status").inner_text()
    assert "A recovery code was used" in visitor.reads_mail()

    page.get_by_role("link", name="Make new recovery codes").click()
    visitor.sees("Make new recovery codes")
    take(visitor, "19-new")
    visitor.press("Make new recovery codes")
    assert not set(saves(visitor)) & set(codes)
    assert "New recovery codes were made" in visitor.reads_mail()

    page.get_by_role("link", name="Remove My phone").click()
    visitor.sees("Turn off the authenticator app")
    take(visitor, "21-turn-off")
    visitor.press("Turn off the app")
    visitor.sees("Your security")
    assert "Signing in asks for a code by email again." in page.get_by_role("status").inner_text()
    assert "An authenticator app was removed" in visitor.reads_mail()
    signs_out_and_gives_password(visitor)
    page.get_by_label("Code", exact=True).fill(visitor.reads_code())
    visitor.press("Continue")
    visitor.sees("Your security")


def test_a_change_asks_for_the_app_where_the_sign_in_was_made_without_it(visitor: Visitor) -> None:
    page = visitor.page
    visitor.signs_up()
    visitor.signs_in()
    phone, _codes = sets_up(visitor)
    page.get_by_role("link", name="Remove My phone").click()
    visitor.sees("Confirm it is you")
    assert "Confirm your password to remove an authenticator app." in page.locator("main").inner_text()
    take(visitor, "13-again")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_label("Code", exact=True).fill(phone.next())
    visitor.press("Confirm")
    visitor.sees("Turn off the authenticator app")
    page.get_by_role("link", name="Cancel").click()
    visitor.sees("Your security")
