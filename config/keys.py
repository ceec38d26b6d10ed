"""The rings of secrets: from the environment, or made once for development."""

import json
import os
import secrets
from pathlib import Path

from config.env import Environment, var_dir

RINGS = ("SECRET_KEY", "JWT_SECRET", "MAIL_KEY", "ENCRYPTION_KEY", "AUDIT_KEY")
HOW_TO_MAKE_ONE = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'


def rings(env: Environment) -> dict[str, tuple[str, ...]]:
    """Return every ring of keys, the one in use first.

    In development a ring that the environment does not name is made once and kept under ``var/``, so that sessions and
    codes outlive a restart. In production it stays empty, and the start is refused.
    """
    found = {name: _named(env, name) for name in RINGS}
    missing = [name for name, ring in found.items() if not ring]
    if missing and env.text("ENVIRONMENT") == "development":
        made = _development_secrets(var_dir(env) / "dev-secrets.json")
        found.update({name: (made[name],) for name in missing})
    return found


def _named(env: Environment, name: str) -> tuple[str, ...]:
    if name == "SECRET_KEY":
        first = (env.text(name),) if env.text(name) else ()
        return first + (env.keys("SECRET_KEY_FALLBACKS") if first else ())
    return env.keys(name)


def _development_secrets(path: Path) -> dict[str, str]:
    """Read the development secrets, and make those that are not there yet."""
    for _ in range(2):
        known = _read(path)
        if all(name in known for name in RINGS):
            return known
        _write(path, known | {name: secrets.token_urlsafe(48) for name in RINGS if name not in known})
    return _read(path)


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _write(path: Path, content: dict[str, str]) -> None:
    """Write the file in one step; of two processes that start together, the first one's secrets stand."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(content, file, indent=1)
    if path.exists():
        draft.replace(path)
        return
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
