"""Every answer 429 comes from the table of limits: nothing else makes one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatehouse.limits import LIMITS
from gatehouse.problems import PROBLEMS

ROOT = Path(__file__).resolve().parents[2]
APPS = ("config", "gatehouse", "sessions_app", "accounts", "audit", "adminpanel")
CODES = {code for code, kind in PROBLEMS.items() if kind.status == 429}
# The table of limits; and what puts into our words a 429 that a framework or a host's own view has answered already.
MAKERS = {"gatehouse/limits.py"}
TRANSLATORS = {"gatehouse/problems/drf.py", "gatehouse/problems/middleware.py"}
SOURCES = [path for app in APPS for path in sorted((ROOT / app).rglob("*.py"))]


def made(source: str) -> Iterator[str]:
    """Yield what in *source* makes an answer 429 of its own."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            given = {one.value for one in _arguments(node) if isinstance(one, ast.Constant)}
            ours = name in {"LimitReached", "Throttled", "Ratelimited"} or (name == "Problem" and given & CODES)
            if ours or (429 in given and name.endswith(("Response", "Answer", "render"))):
                yield ast.unparse(node)
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            yield from (
                f"429: {value.value}"
                for key, value in pairs
                if isinstance(key, ast.Constant) and key.value == 429
                if isinstance(value, ast.Constant) and value.value in CODES
            )


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def test_nothing_but_the_table_of_limits_makes_an_answer_429() -> None:
    makers = {path.relative_to(ROOT).as_posix() for path in SOURCES if list(made(path.read_text()))}
    assert makers == MAKERS | TRANSLATORS
    assert {limit.answer for limit in LIMITS.values()} == CODES


def test_no_view_and_no_setting_of_ours_has_a_throttle_of_its_own() -> None:
    """The two translators above have nothing of ours to translate."""
    named = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in SOURCES
        for line in path.read_text().splitlines()
        if "throttle_classes" in line or "DEFAULT_THROTTLE" in line or "@ratelimit" in line
    ]
    assert named == ["gatehouse/api.py: throttle_classes = ()"]


@pytest.mark.parametrize(
    "source",
    [
        "raise Problem('rate_limited', retry_after=3)",
        "raise problems.Problem(code='account_locked')",
        "limits.LimitReached(usage, 3)",
        "HttpResponse('no', status=429)",
        "raise Throttled(3)",
        "CODES = {429: 'rate_limited'}",
    ],
)
def test_the_search_finds_each_way_to_make_one(source: str) -> None:
    assert list(made(source))
