"""Somebody with a browser: walks the pages, and looks at each as strictly as a reader with a screen reader would."""

import itertools
import re
from typing import Any

from axe_playwright_python.sync_playwright import Axe

from tests.browsers import DESKTOP, PHONE
from tests.live import LiveSite
from tests.mailsink import text_of

PASSWORD = "correct horse battery staple"
_CONTRAST = {"runOnly": ["color-contrast"]}
_numbers = itertools.count(1)
_PATHS = "verify|password/reset|email/confirm|email/undo|unlock"
_LINK = re.compile(rf"^https?://\S+/account/(?:{_PATHS})/\S+(?=\s)", re.MULTILINE)
_CODE = re.compile(r"^(\d{6}) is your", re.MULTILINE)


class Visitor:
    """One person with an address of their own, on one page of a browser."""

    def __init__(self, page: Any, site: LiveSite, *, javascript: bool = True) -> None:
        self.page = page
        self.site = site
        self.javascript = javascript
        self.address = f"visitor-{next(_numbers)}@example.com"
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        self.mails_read = 0
        page.on("request", self._note_request)
        page.on("console", self._note_console)

    def open(self, path: str) -> int:
        """Go to *path* and return the status."""
        response = self.page.goto(self.site.url + path)
        return int(response.status)

    def press(self, name: str) -> None:
        """Press the button of that name."""
        self.page.get_by_role("button", name=name, exact=True).click()
        self.page.wait_for_load_state()

    def sees(self, heading: str) -> None:
        """Expect to be on the page with that heading, and look at the page whole."""
        self.page.get_by_role("heading", level=1, name=heading, exact=True).wait_for()
        self.look()

    def look(self) -> None:
        """Hold what stands on the page against what every page promises."""
        assert self.page.locator("main").count() == 1
        assert self.page.locator("style, [style], script:not([src])").count() == 0, "something is inline"
        self._fits()
        if self.javascript:
            self._reads_well()
            assert self.page.evaluate("localStorage.length + sessionStorage.length") == 0
        assert not self.elsewhere, f"asked another site for {self.elsewhere}"
        assert not self.complaints, self.complaints

    def _fits(self) -> None:
        """Expect that nothing scrolls sideways, in this window and in one of the other width."""
        here = self.page.viewport_size
        for size in (DESKTOP if here == PHONE else PHONE, here):
            self.page.set_viewport_size(size)
            width = self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            assert width[0] <= width[1], f"{self.page.url} scrolls sideways: {width}"

    def _reads_well(self) -> None:
        """Expect no violation of axe's, with its contrasts in the other colours, too."""
        is_dark = self.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        for scheme, options in (("light" if is_dark else "dark", _CONTRAST), ("dark" if is_dark else "light", None)):
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # colours change at once
            found = Axe().run(self.page, options=options).response["violations"]
            faults = [(self.page.url, scheme, v["id"], v["help"], v["nodes"][0]["target"]) for v in found]
            assert not faults, faults

    def has_error(self, text: str) -> None:
        """Expect a refused form: title, summary first in main, the same words at the field."""
        self.page.locator(".summary").get_by_text(text, exact=True).wait_for()
        assert self.page.title().startswith("Error: ")
        assert "summary" in self.page.locator("main > :not(.back)").first.get_attribute("class")
        field = self.page.locator(self.page.locator(".summary a").first.get_attribute("href"))
        assert field.get_attribute("aria-invalid") == "true" or field.get_attribute("type") == "radio"
        if self.javascript:
            assert self.page.evaluate("document.activeElement.className") == "summary"
        self.look()

    def reads_link(self) -> str:
        """Wait for the next mail and return the link that it carries."""
        found = _LINK.search(self._next_mail())
        assert found
        return found[0]

    def reads_code(self) -> str:
        """Wait for the next mail and return the code that it carries."""
        found = _CODE.search(self._next_mail())
        assert found
        return found[1]

    def reads_mail(self) -> str:
        """Wait for the next mail and return its text."""
        return self._next_mail()

    def signs_up(self) -> None:
        """Make an account and confirm its address."""
        self.open("/account/signup")
        self.page.get_by_label("Email address").fill(self.address)
        self.page.get_by_label("Create a password").fill(PASSWORD)
        self.page.get_by_label("I agree to the terms").check()
        self.press("Create account")
        self.page.goto(self.reads_link())
        self.press("Confirm email address")

    def gives_password(self, password: str = PASSWORD) -> None:
        self.page.get_by_label("Email address").fill(self.address)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.press("Sign in")

    def signs_in(self) -> None:
        """Sign in with password and mailed code."""
        self.open("/account/login")
        self.gives_password()
        self.page.get_by_label("Code", exact=True).fill(self.reads_code())
        self.press("Continue")

    def _next_mail(self) -> str:
        self.mails_read += 1
        return text_of(self.site.mails.wait_for(self.address, self.mails_read))

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith(self.site.url):
            self.elsewhere.append(request.url)

    def _note_console(self, message: Any) -> None:
        refused_on_purpose = "Failed to load resource" in message.text
        if message.type in {"error", "warning"} and not refused_on_purpose:
            self.complaints.append(message.text)
