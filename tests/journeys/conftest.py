"""Who walks the journeys: a phone and a desktop, in light and in dark, with and without JavaScript."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browsers import WALKS, new_context
from tests.journeys.visitor import Visitor
from tests.live import LiveSite


@pytest.fixture(params=WALKS)
def visitor(request: pytest.FixtureRequest, chromium: Any, live_site: LiveSite) -> Iterator[Visitor]:
    context = new_context(chromium, request.param)
    yield Visitor(context.new_page(), live_site, javascript=request.param.javascript)
    context.close()
