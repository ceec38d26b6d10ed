"""No file and no function grows past what a reader holds in mind, and no file has a name that says nothing."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE, TEST_MODULE, FUNCTION = 300, 500, 40
BANNED = {"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "manager.py", "misc.py"}

# Longer than the rule, each with its reason.
LONG_FUNCTIONS: dict[str, str] = {
    "sessions_app/services/opening.py::open": "one call names every column of a session",
}
LONG_MODULES: dict[str, str] = {}


def _sources() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in listed.stdout.splitlines() if "/migrations/" not in line and (ROOT / line).exists()]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{_name(path)}::{node.name}", (node.end_lineno or 0) - node.lineno + 1 - _docstring(node)


def _docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines the docstring takes: words of explanation are not counted against a function."""
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return (first.end_lineno or 0) - first.lineno + 1
    return 0


def test_no_module_is_longer_than_its_limit():
    long = {_name(path): len(path.read_text().splitlines()) for path in _sources()}
    over = {n: lines for n, lines in long.items() if lines > (TEST_MODULE if n.startswith("tests/") else MODULE)}
    assert {n: lines for n, lines in over.items() if n not in LONG_MODULES} == {}


def test_no_function_is_longer_than_its_limit():
    over = {
        name: lines
        for path in _sources()
        if not _name(path).startswith("tests/")
        for name, lines in _functions(path)
        if lines > FUNCTION and name not in LONG_FUNCTIONS
    }
    assert over == {}


def test_every_file_name_says_what_is_in_it():
    assert [_name(path) for path in _sources() if path.name in BANNED] == []


@pytest.mark.parametrize("name", [*LONG_FUNCTIONS, *LONG_MODULES])
def test_an_exception_is_still_needed(name):
    path = ROOT / name.partition("::")[0]
    assert path.exists(), f"{name} is gone; take it off the list"
