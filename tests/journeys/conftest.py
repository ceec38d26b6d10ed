"""Who walks the journeys: a phone and a desktop, in light and in dark, with and without JavaScript."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.journeys.visitor import Visitor
from tests.live import LiveSite

PHONE, DESKTOP = {"width": 360, "height": 740}, {"width": 1280, "height": 800}


@pytest.fixture(
    params=[(PHONE, True, "light"), (DESKTOP, True, "dark"), (PHONE, False, "dark"), (DESKTOP, False, "light")],
    ids=["phone", "desktop", "phone-without-javascript", "desktop-without-javascript"],
)
def visitor(request: pytest.FixtureRequest, chromium: Any, live_site: LiveSite) -> Iterator[Visitor]:
    size, javascript, scheme = request.param
    context = chromium.new_context(
        viewport=size, java_script_enabled=javascript, color_scheme=scheme, locale="en-GB", timezone_id="UTC"
    )
    context.set_default_timeout(15_000)
    yield Visitor(context.new_page(), live_site, javascript=javascript)
    context.close()
