"""Who walks the journeys: a phone and a desktop, in light and in dark, with and without JavaScript."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browsers import DESKTOP, PHONE, Look, new_context
from tests.journeys.visitor import Visitor
from tests.live import LiveSite


@pytest.fixture(
    params=[
        Look(PHONE, True, "light"),
        Look(DESKTOP, True, "dark"),
        Look(PHONE, False, "dark"),
        Look(DESKTOP, False, "light"),
    ],
    ids=["phone", "desktop", "phone-without-javascript", "desktop-without-javascript"],
)
def visitor(request: pytest.FixtureRequest, chromium: Any, live_site: LiveSite) -> Iterator[Visitor]:
    context = new_context(chromium, request.param)
    yield Visitor(context.new_page(), live_site, javascript=request.param.javascript)
    context.close()
