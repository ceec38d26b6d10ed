"""Walks the main journey in a real Chromium and takes the pictures that the documentation shows."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browsers import FLAGS, chromium_path  # noqa: E402 - the project's folder comes first

IMAGES = ROOT / "docs" / "images"
ADDRESS, PASSWORD = "jane@example.com", "a long and quiet river"
PHONE, DESKTOP = {"width": 390, "height": 780}, {"width": 1100, "height": 700}
WANTED = {
    "sign-up-phone-light",
    "code-phone-dark",
    "sign-in-desktop-dark",
    "security-phone-light",
    "security-desktop-light",
}
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/26.1 Mobile/15E148 Safari/604.1"
)
ANDROID = (
    "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
    "Mobile Safari/537.36"
)
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"
MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/26.1 Safari/605.1.15"
)
LOOKS: dict[str, dict[str, Any]] = {  # phones last, so that their lists show the others
    "desktop-dark": {"viewport": DESKTOP, "color_scheme": "dark", "user_agent": MAC},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark", "user_agent": ANDROID, "is_mobile": True},
    "desktop-light": {"viewport": DESKTOP, "color_scheme": "light", "user_agent": WINDOWS},
    "phone-light": {"viewport": PHONE, "color_scheme": "light", "user_agent": IPHONE, "is_mobile": True},
}


def main() -> None:
    """Take every picture in every look."""
    path = chromium_path()
    if path is None:
        sys.exit("No Chromium was found on the PATH.")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with _site() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        for number, (look, options) in enumerate(LOOKS.items()):
            context = browser.new_context(locale="en-GB", timezone_id="UTC", base_url=site, **options)
            _walk(context.new_page(), site, look, sign_up=number == 0)
            context.close()
        browser.close()


def _walk(page: Any, site: str, look: str, *, sign_up: bool) -> None:
    """Sign up once, and in, and take a picture of each step."""
    page.goto("/account/signup")
    _take(page, f"sign-up-{look}")
    if sign_up:
        page.get_by_label("Email address").fill(ADDRESS)
        page.get_by_label("Create a password").fill(PASSWORD)
        page.get_by_label("I agree to the terms").check()
        page.get_by_role("button", name="Create account", exact=True).click()
        page.goto(_mailed(site, "link"))
        page.get_by_role("button", name="Confirm email address", exact=True).click()
    page.goto("/account/login")
    _take(page, f"sign-in-{look}")
    page.get_by_label("Email address").fill(ADDRESS)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Code", exact=True).wait_for()
    _take(page, f"code-{look}")
    page.get_by_label("Code", exact=True).fill(_mailed(site, "code"))
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_role("heading", level=1, name="Your security").wait_for()
    _take(page, f"security-{look}")


def _take(page: Any, name: str) -> None:
    if name not in WANTED:
        return
    page.evaluate("document.activeElement && document.activeElement.blur()")
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")
    print(IMAGES / f"{name}.png")


def _mailed(site: str, part: str) -> str:
    """Wait for the next mail, and return its link or code."""
    time.sleep(3)
    with urllib.request.urlopen(f"{site}/dev/mail/latest?to={ADDRESS}&show={part}", timeout=5) as answer:  # noqa: S310 - our own address
        return str(answer.read().decode().strip())


@contextmanager
def _site() -> Iterator[str]:
    """Run the site with an empty database of its own until the block ends."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-pictures-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        environment = {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
            "ENV_FILE": "",
            "VAR_DIR": folder,
            "DATABASE_URL": f"sqlite:///{folder}/site.sqlite3",
            "PORT": str(port),
        }
        command = [sys.executable, "script/serve.py"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=sys.stderr)
        try:
            site = f"http://127.0.0.1:{port}"
            _wait_for(f"{site}/health/live")
            yield site
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(url: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 - our own address
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    sys.exit("The site did not start.")


if __name__ == "__main__":
    main()
