"""Every session is opened by the sign-in, behind one gate (accounts/services/gate.py)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("config", "adminpanel", "accounts", "sessions_app", "audit", "gatehouse")
SIGN_IN = "accounts/services/sign_in.py"

pytestmark = pytest.mark.unit


def calls(name: str, attribute: str) -> Iterator[tuple[str, str]]:
    """Yield the file and the function of every call of ``name.attribute(...)``."""
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            tree = ast.parse(path.read_text())
            for function in ast.walk(tree):
                if isinstance(function, ast.FunctionDef):
                    for node in ast.walk(function):
                        if _is_call(node, name, attribute):
                            yield str(path.relative_to(ROOT)), function.name


def _is_call(node: ast.AST, name: str, attribute: str) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=found), attr=called)):
            return (found, called) == (name, attribute)
    return False


def test_sessions_are_opened_in_one_place_only() -> None:
    assert set(calls("sessions", "open")) == {(SIGN_IN, "_open")}


def test_whoever_opens_a_session_or_proves_again_came_through_the_gate() -> None:
    source = ast.parse((ROOT / SIGN_IN).read_text())
    functions = {node.name: node for node in source.body if isinstance(node, ast.FunctionDef)}
    openers = {
        name
        for name, node in functions.items()
        if any(
            isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "_open" for n in ast.walk(node)
        )
    }
    assert openers == {"answer", "_enter"}
    asked = {name for name, node in functions.items() if "may_enter(" in ast.unparse(node) and name != "may_enter"}
    assert asked == {"begin", *openers}
    assert "may_enter(" in (ROOT / "accounts/services/reauthentication.py").read_text()
