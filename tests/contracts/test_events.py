"""Every event is explained, named in one grammar, sent by the code and seen by a test; pages made of it are true."""

import importlib.util
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from django.apps import apps

from accounts.activity import WORDS
from gatehouse.events import EventType, SecurityEvent

ROOT = Path(__file__).resolve().parents[2]
# Operations on files have the names that whoever writes into the trail gives them (POST /audit/events).
ACTION = re.compile(
    r"upload|download|delete|move|rename|(authn|authz|excess|session|user|sys|input|admin|file|audit)_[a-z_]+"
)
# One name of the vocabulary for several refusals, told apart by their type and their details.
SHARED = {"authz_fail"}

# What is no news to a person: steps on the way, what says the same as another event, what is about no account or about
# one that is gone, and what staff and operators need alone.
UNTOLD = {
    "audit_archived", "audit_cleared", "audit_export_begun",
    "authn_code_sent", "authn_device_added", "authn_login_lock", "authn_login_lock_told", "authn_password_accepted",
    "authn_password_reset_requested", "authn_token_created", "authn_token_invalid", "authn_token_refused",
    "authn_token_revoked", "authz_fail", "authz_scope_change", "delete", "download",
    "excess_rate_limit_exceeded",
    "session_created", "session_mismatch", "session_moved", "session_renewed", "session_revoked_by_command",
    "session_use_after_expire", "sys_cleanup", "sys_mail_failed", "sys_signing_key_activated",
    "sys_signing_key_generated", "sys_signing_key_retired", "user_created", "user_email_change_answered",
    "user_erased", "user_import_ended", "user_registration_expired", "user_verification_requested",
}  # fmt: skip

for app in apps.get_app_configs():  # an app's events are known once its module is there
    if Path(app.path).parent == ROOT and importlib.util.find_spec(f"{app.name}.events"):
        importlib.import_module(f"{app.name}.events")


def classes(base: type[SecurityEvent] = SecurityEvent) -> list[type[SecurityEvent]]:
    found = []
    for kind in base.__subclasses__():
        if not kind.__module__.startswith(("test", "tests")):
            found.append(kind)
        found += classes(kind)
    return found


def texts(*folders: str) -> str:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return "\n".join(path.read_text() for path in paths if path != Path(__file__))


EVENTS = sorted(set(classes()), key=lambda kind: (kind.__module__, kind.__name__))
CODE = texts("accounts", "sessions_app", "adminpanel", "audit", "gatehouse")
TESTS = texts("tests")


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_an_event_says_what_happened_under_a_name_of_the_vocabulary(kind: type[SecurityEvent]) -> None:
    assert kind.__doc__ and kind.__doc__.strip().endswith("."), "it has no sentence of its own"
    assert not kind.__doc__.startswith(f"{kind.__name__}("), "dataclass wrote it"
    assert ACTION.fullmatch(kind.action) and len(kind.action) <= 100
    assert isinstance(kind.event_type, EventType)
    assert "action" in vars(kind), "it has its parent's name"


def test_an_action_means_one_thing() -> None:
    named = defaultdict(list)
    for kind in EVENTS:
        named[kind.action].append(kind.__name__)
    assert {action: kinds for action, kinds in named.items() if len(kinds) > 1 and action not in SHARED} == {}


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_an_event_is_sent_by_the_code_and_seen_by_a_test(kind: type[SecurityEvent]) -> None:
    uses = re.findall(rf"\b{kind.__name__}\b", CODE)
    assert len(uses) > 1, "nothing but its definition names it"
    assert f'"{kind.action}"' in TESTS or f"'{kind.action}'" in TESTS or kind.__name__ in TESTS


def test_every_event_is_told_to_the_person_it_is_about_or_named_here() -> None:
    actions = {kind.action for kind in EVENTS}
    assert actions - WORDS.keys() == UNTOLD & actions
    assert not UNTOLD & WORDS.keys()
    for action, words in WORDS.items():
        assert words.done or words.failed, action


def test_no_event_has_a_field_for_a_secret() -> None:
    secret = re.compile(r"password|secret|token|code|cookie|hash", re.IGNORECASE)
    fields = {name for kind in EVENTS for name in kind.__dataclass_fields__}
    assert {name for name in fields if secret.search(name)} <= {"challenge_id"}


def test_the_pages_made_from_tables_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "script/write_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
