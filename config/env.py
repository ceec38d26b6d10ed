"""The environment, read once and typed: the only module that looks at ``os.environ``.

Order of force: the environment, then ``.env`` beside ``manage.py`` (``ENV_FILE`` names another, or none where it is
empty). ``NAME_FILE`` names a file that holds the value of ``NAME`` (a container's secret) and wins over ``NAME``. An
empty value counts as not set. What cannot be read is kept as a fault, so that a start can name every fault at once; no
fault repeats a value.
"""

import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import environ

from config.lifetimes import VARIABLES
from config.variables import Kind, Variable

BASE_DIR = Path(__file__).resolve().parent.parent
SETTINGS = "config.settings"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True, order=True)
class Fault:
    """What is wrong with one variable, and what to put there."""

    name: str
    says: str

    def __str__(self) -> str:
        return f"{self.name} {self.says}"


class Environment:
    """Typed values of the variables in the table, from one mapping of texts."""

    def __init__(self, source: Mapping[str, str]) -> None:
        self._source: MutableMapping[str, str] = environ.FileAwareMapping(env=dict(source), cache=False)
        self.faults: list[Fault] = []
        self._read: dict[str, Any] = {}

    def is_set(self, name: str) -> bool:
        """Tell whether *name* was given a value."""
        return bool(self._given(VARIABLES[name]))

    def text(self, name: str) -> str:
        return str(self._value(name, Kind.TEXT))

    def flag(self, name: str) -> bool:
        return bool(self._value(name, Kind.FLAG))

    def number(self, name: str) -> int:
        return int(self._value(name, Kind.NUMBER))

    def decimal(self, name: str) -> float:
        return float(self._value(name, Kind.DECIMAL))

    def duration(self, name: str) -> timedelta:
        value: timedelta = self._value(name, Kind.DURATION)
        return value

    def names(self, name: str) -> tuple[str, ...]:
        return tuple(self._value(name, Kind.NAMES))

    def keys(self, name: str) -> tuple[str, ...]:
        return tuple(self._value(name, Kind.KEYS))

    def overrides(self, app: str) -> dict[str, Any]:
        """Return what the environment says for one app's settings; what it does not say stays the app's own."""
        return {
            variable.key or variable.name: self._value(variable.name, variable.kind)
            for variable in VARIABLES.values()
            if variable.app == app and self.is_set(variable.name)
        }

    def check(self) -> list[Fault]:
        """Read every variable and return all that could not be understood."""
        for variable in VARIABLES.values():
            self._value(variable.name, variable.kind)
        return sorted(set(self.faults))

    def _value(self, name: str, kind: Kind) -> Any:
        variable = VARIABLES[name]
        if variable.kind is not kind:
            raise TypeError(f"{name} is read as {kind.name}, declared as {variable.kind.name}")
        if name not in self._read:
            self._read[name] = self._parse(variable)
        return self._read[name]

    def _parse(self, variable: Variable) -> Any:
        try:
            return _convert(variable, self._given(variable) or variable.default)
        except ValueError as error:
            self.faults.append(Fault(variable.name, f"must be {error}."))
            return _convert(variable, variable.default)

    def _given(self, variable: Variable) -> str:
        try:
            return self._source.get(variable.name, "").strip()
        except (OSError, UnicodeDecodeError):
            self.faults.append(
                Fault(f"{variable.name}_FILE", "names a file that cannot be read. Put a readable path there.")
            )
            return ""


def _convert(variable: Variable, text: str) -> Any:
    """Return *text* as the variable's kind; raise ValueError that says what it should be."""
    match variable.kind:
        case Kind.TEXT:
            if variable.choices and text not in variable.choices:
                raise ValueError(" or ".join(choice or "empty" for choice in variable.choices))
            return text
        case Kind.FLAG:
            if text.lower() not in _TRUE + _FALSE:
                raise ValueError(variable.kind.value)
            return text.lower() in _TRUE
        case Kind.NAMES | Kind.KEYS:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        case Kind.PAIRS:
            return tuple(_pair(part) for part in text.split("|") if part.strip())
        case Kind.DURATION:
            return _at_least(variable, _duration(text))
        case Kind.NUMBER | Kind.DECIMAL:
            return _at_least(variable, _number(variable, text))


def _pair(text: str) -> tuple[str, str]:
    name, _colon, said = (part.strip() for part in text.partition(":"))
    if not name or not said:
        raise ValueError(Kind.PAIRS.value)
    return name, said


def _number(variable: Variable, text: str) -> int | float:
    try:
        value = int(text) if variable.kind is Kind.NUMBER else float(text)
    except ValueError:
        raise ValueError(variable.kind.value) from None
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(variable.kind.value)
    return value


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([smhd])?", text)
    if not found:
        raise ValueError(Kind.DURATION.value)
    return timedelta(**{_UNITS[found[2] or "s"]: float(found[1])})


def _at_least(variable: Variable, value: float | timedelta) -> float | timedelta:
    size = value.total_seconds() if isinstance(value, timedelta) else value
    if variable.least is not None and size < variable.least:
        raise ValueError(f"{variable.kind.value}, {variable.least:g} or more")
    return value


class _DotEnv(environ.Env):  # type: ignore[misc]
    """Collects a file's pairs in a dict of its own instead of the process' environment."""

    ENVIRON: ClassVar[dict[str, str]] = {}


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the pairs of a ``.env`` file, or none where there is no such file."""
    if not path.is_file():
        return {}
    _DotEnv.ENVIRON = {}
    _DotEnv.read_env(path)
    return dict(_DotEnv.ENVIRON)


_isolated: list[Environment] = []


def isolate(source: Mapping[str, str]) -> None:
    """Make ``current()`` answer from *source* alone: the tests never see a developer's environment."""
    _isolated[:] = [Environment(source)]


def current() -> Environment:
    """Return the environment this process was started with."""
    return _isolated[0] if _isolated else _from_process()


@cache
def _from_process() -> Environment:
    file = os.environ.get("ENV_FILE", ".env")
    return Environment({**(read_dotenv(BASE_DIR / file) if file else {}), **os.environ})


def var_dir(env: Environment) -> Path:
    """Return the folder of what is made while the project runs."""
    return BASE_DIR / env.text("VAR_DIR")


def prepare() -> None:
    """Choose the settings module, unless the caller's environment names another."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)


def chosen_settings() -> str:
    """Return the settings module in force."""
    return os.environ.get("DJANGO_SETTINGS_MODULE", SETTINGS)


def testing(name: str, default: str = "") -> str:
    """Return one of the variables that only the tests know (``TEST_DATABASE``, ``TEST_POSTGRESQL_URL``, …)."""
    if not name.startswith("TEST_"):
        raise ValueError("only the tests' own variables are read here")
    return os.environ.get(name, default)
