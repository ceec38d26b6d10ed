"""``manage.py check --deploy`` says whatever a production start would refuse."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from config import env, refusals


def production_start(app_configs: Sequence[Any] | None, **_kwargs: Any) -> list[CheckMessage]:
    """Return one error for every fault of the environment, and one warning for what is worth a word."""
    current = env.current()
    found: list[CheckMessage] = [Error(str(fault), id="config.E001") for fault in refusals.faults(current)]
    found += [Warning(str(fault), id="config.W001") for fault in refusals.warnings(current)]
    return found
