"""A real Chromium for the tests marked ``browser``."""

import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 800}


class Look(NamedTuple):
    """What a page is looked at with."""

    viewport: dict[str, int]
    javascript: bool
    scheme: str


# Who walks a journey: with a script, without one. Visitor.look() sees each page in the other colours and width, too;
# the whole of the combinations is walked with --long.
WALKS = [
    pytest.param(Look(PHONE, True, "light"), id="phone"),
    pytest.param(Look(DESKTOP, False, "dark"), id="desktop-without-javascript"),
    pytest.param(Look(DESKTOP, True, "dark"), id="desktop", marks=pytest.mark.long),
    pytest.param(Look(PHONE, False, "dark"), id="phone-without-javascript", marks=pytest.mark.long),
]


def chromium_path() -> str | None:
    """Return where a Chromium is installed, if one is."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A running Chromium; the test is skipped where none is installed.

    One a module: the event loop that playwright keeps in this thread ends with it, and another module may run its own.
    """
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium is installed")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # because of that loop
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page in a browser context of its own: no cookie of another test."""
    context = new_context(chromium, Look(DESKTOP, True, "light"))
    yield context.new_page()
    context.close()


def new_context(chromium: Any, look: Look, **more: Any) -> Any:
    """Return a browser context of its own, which the caller closes."""
    context = chromium.new_context(
        viewport=look.viewport,
        java_script_enabled=look.javascript,
        color_scheme=look.scheme,
        locale="en-GB",
        timezone_id="UTC",
        **more,
    )
    context.set_default_timeout(15_000)
    return context
