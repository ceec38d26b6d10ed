"""Rings of keys: named ones, and those that development makes once."""

import json
import stat

from config import keys
from config.env import Environment

NAMED = {name: f"{name}-{'k' * 32}" for name in keys.RINGS}


def test_rings_come_from_the_environment():
    rings = keys.rings(Environment(NAMED | {"SECRET_KEY_FALLBACKS": "old1,old2", "JWT_SECRET": "new,old"}))
    assert rings["SECRET_KEY"] == (NAMED["SECRET_KEY"], "old1", "old2")
    assert rings["JWT_SECRET"] == ("new", "old")


def test_development_makes_its_secrets_once_and_for_itself_alone(tmp_path):
    first = keys.rings(Environment({"VAR_DIR": str(tmp_path)}))
    again = keys.rings(Environment({"VAR_DIR": str(tmp_path)}))
    file = tmp_path / "dev-secrets.json"
    assert first == again
    assert all(len(ring[0]) >= 32 for ring in first.values())
    assert len({ring[0] for ring in first.values()}) == len(keys.RINGS)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_secret_added_later_leaves_the_others(tmp_path):
    file = tmp_path / "dev-secrets.json"
    file.write_text(json.dumps({"SECRET_KEY": "kept"}))
    rings = keys.rings(Environment({"VAR_DIR": str(tmp_path)}))
    assert rings["SECRET_KEY"] == ("kept",)
    assert rings["JWT_SECRET"]


def test_production_makes_none(tmp_path):
    rings = keys.rings(Environment({"ENVIRONMENT": "production", "VAR_DIR": str(tmp_path)}))
    assert set(rings.values()) == {()}
    assert list(tmp_path.iterdir()) == []
