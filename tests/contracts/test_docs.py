"""The documentation says what is there: links, settings, packages, columns, cryptography, roles, tests."""

import ast
import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps

from accounts.conf import AccountSettings
from accounts.roles import MATRIX, Role
from adminpanel.conf import AdminPanelSettings
from audit.conf import AuditSettings
from config.env import VARIABLES
from gatehouse.conf import GatehouseSettings
from sessions_app.conf import SessionSettings

ROOT = Path(__file__).resolve().parents[2]
OURS = ("accounts", "sessions_app", "audit", "gatehouse", "adminpanel")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SETTING = re.compile(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`")

# Written in capitals, and no settings of ours.
OTHER_NAMES = {"AUTHENTICATION_BACKENDS", "PASSWORD_HASHERS", "POSTGRES_PASSWORD"}
OTHER_NAMES |= {"FILE_ACCESS", "USER_MANAGEMENT", "DISK_MONITOR"}

# Where SHA-1 is only a detail of an event, for lists of others that have nothing else; nothing relies on it.
NAMES_SHA1 = {"audit/file_details.py", "audit/files/operations.py"}

# What a package is called in code, where that is not its name.
IMPORTED_AS = {
    "argon2-cffi": "argon2",
    "django-cors-headers": "corsheaders",
    "djangorestframework": "rest_framework",
    "djangorestframework-simplejwt": "rest_framework_simplejwt",
    "PyJWT": "import jwt",
}

# What only a use of cryptography, or of randomness, says.
CRYPTOGRAPHY = re.compile(
    r"^\s*(?:import|from) (?:hashlib|hmac|secrets|base64|jwt|argon2|cryptography|bcrypt|ssl|random)\b"
    r"|os\.urandom|AESGCM|django_otp\.oath|signing\.(?:dumps|Signer)|get_random_string|make_password|salted_hmac",
    re.MULTILINE,
)


def text_of(name):
    return (ROOT / name).read_text()


def anchors(text):
    """The anchors of a page's headings, as code hosts make them."""
    for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", line.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("name", NAMES)
def test_links_inside_the_docs_resolve(name):
    page = ROOT / name
    for link in LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


@pytest.mark.parametrize("name", NAMES)
def test_named_tests_exist(name):
    for path, test in NAMED_TEST.findall(text_of(name)):
        assert (ROOT / path).is_file(), path
        assert re.search(rf"^ *def {test}\(", text_of(path), re.MULTILINE), f"{path}::{test}"


@pytest.mark.parametrize("name", NAMES)
def test_settings_named_in_the_docs_exist(name):
    kinds = (AccountSettings, SessionSettings, GatehouseSettings, AuditSettings, AdminPanelSettings)
    known = {field.name for kind in kinds for field in fields(kind)} | set(VARIABLES) | OTHER_NAMES
    known |= {f"{variable}_FILE" for variable in VARIABLES} | {"NAME_FILE"}
    assert {word for word in SETTING.findall(text_of(name))} - known == set()


@pytest.mark.parametrize("name", NAMES)
def test_the_docs_speak_of_no_single_machine(name):
    assert not re.search(r"/(?:work|home|root|tmp/\w)[/\w]", text_of(name))


def test_the_table_of_packages_is_whole():
    lines = [line for line in text_of("requirements.in").splitlines() if line and not line.startswith("#")]
    wanted = {re.split(r"[\[<>=]", line)[0] for line in lines}
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.+?) \|", text_of("README.md"), re.MULTILINE))
    assert set(rows) == wanted
    for package, where in rows.items():
        if package != "Django":
            name = IMPORTED_AS.get(package, package.removeprefix("django-").replace("-", "_")).lower()
            assert name in text_of(where.strip("`")).lower(), package


def test_every_column_is_classified():
    rows = re.findall(r"^\| `(\w+\.\w+)` \|(.+)\|$", text_of("docs/classification.md"), re.MULTILINE)
    said = {model: re.findall(r"`(\w+)`", cells) for model, cells in rows}
    there = {
        model._meta.label: [field.name for field in model._meta.concrete_fields]
        for app in OURS
        for model in apps.get_app_config(app).get_models()
        if not model._meta.proxy
    }
    assert {model: sorted(columns) for model, columns in said.items()} == {
        model: sorted(columns) for model, columns in there.items()
    }


def test_every_use_of_cryptography_is_in_the_inventory():
    inventory = text_of("docs/cryptography.md")
    sources = [
        path for app in (*OURS, "config") for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts
    ]
    using = {str(path.relative_to(ROOT)) for path in sources if CRYPTOGRAPHY.search(path.read_text())}
    assert {path for path in using if f"`{path}`" not in inventory} == set()


def test_no_weak_primitive_is_called():
    weak = re.compile(r"\bmd5\b|\bsha1\b|\bDES\b|modes\.ECB|import random\b|PKCS1v15", re.IGNORECASE)
    found = {path.relative_to(ROOT).as_posix() for path in sources() if weak.search(code_of(path))}
    assert found - NAMES_SHA1 == set()


def sources():
    return [path for app in (*OURS, "config") for path in (ROOT / app).rglob("*.py")]


def code_of(path):
    """The code of a module without its comments and docstrings."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value.value = ""
    return ast.unparse(tree)


def test_the_roles_are_those_of_the_code():
    order = (Role.GUEST, Role.USER, Role.MODERATOR, Role.ADMIN, Role.SUPER_ADMIN)
    rows = re.findall(r"^\| `([\w.]+)` \|(.+)\|$", text_of("docs/roles.md"), re.MULTILINE)
    said = {permission: [cell.strip() == "yes" for cell in cells.split("|")] for permission, cells in rows}
    assert said == {
        permission: [permission in MATRIX[role] for role in order] for permission in MATRIX[Role.SUPER_ADMIN]
    }


def test_lifetimes_are_those_of_the_settings():
    conf = SessionSettings()
    said = text_of("docs/sessions.md")
    for name in ("REFRESH_IDLE", "REFRESH_ABSOLUTE", "PAGE_IDLE", "PAGE_ABSOLUTE", "STAFF_IDLE", "STAFF_ABSOLUTE"):
        assert f"`{name}`, {in_words(getattr(conf, name))}" in said, name
    assert f"`ACCESS_TTL`, {in_words(conf.ACCESS_TTL)}" in said
    assert f"`REAUTH_TTL`, {in_words(conf.REAUTH_TTL)}" in said
    assert f"`TRUST_TTL`, {in_words(conf.TRUST_TTL)}" in said
    assert f"`REUSE_GRACE` ({in_words(conf.REUSE_GRACE)}" in said


def in_words(life: timedelta) -> str:
    for unit, seconds in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if life.total_seconds() % seconds == 0:
            return f"{life.total_seconds() / seconds:g} {unit}"
    return f"{life.total_seconds():g} seconds"


def test_every_page_of_the_docs_can_be_reached():
    linked = {
        (page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in LINK.findall(page.read_text())
    }
    assert [name for name in NAMES if name.startswith("docs/") and ROOT / name not in linked] == []
