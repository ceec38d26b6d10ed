"""What a production start refuses: every fault at once, each with its variable and what to put there."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from config import caches, databases, keys, mail
from config.env import Environment, Fault
from gatehouse.client import trusted_proxies

LEAST_BYTES = 32
_LEAST_VARIETY = 10  # different characters; a repeated one is no secret
_TAKEN = {"api", "account", "health", "static", "dev", "problems", ".well-known", "theme.css"}
_PATH = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
_PLACEHOLDERS = re.compile(
    r"change.?(me|this|it)|replace.?me|place.?holder|insecure|your.{0,12}(secret|key)|super.?secret|not.?a.?secret"
    r"|(secret|jwt|dev|test|django).?(secret|key)|example|default|password|development|1234567890",
    re.IGNORECASE,
)


def refuse(faults: Iterable[Fault]) -> None:
    """Raise ImproperlyConfigured that lists *faults*, if there are any."""
    found = sorted(set(faults))
    if not found:
        return
    width = max(len(fault.name) for fault in found)
    noun = "1 setting is" if len(found) == 1 else f"{len(found)} settings are"
    lines = [f"Gatehouse does not start: {noun} missing or unsafe.", ""]
    lines += [f"  {fault.name:<{width}}  {fault.says}" for fault in found]
    lines += ["", "Set them in the environment or in .env; .env.example explains each."]
    raise ImproperlyConfigured("\n".join(lines))


def faults(env: Environment) -> list[Fault]:
    """Return everything that keeps *env* from being a production start."""
    found = [*_secrets(env), *_database(env), *_mail(env), *_addresses(env), *_origins(env), *_switches(env)]
    return sorted({*found, *env.check()})


def warnings(env: Environment) -> list[Fault]:
    """Return what is worth a word but keeps nothing from starting."""
    return [*_silent_redis(env), *_no_proxy(env)]


def _silent_redis(env: Environment) -> Iterator[Fault]:
    url = env.text("REDIS_URL")
    if url and caches.is_redis_url(url) and not caches.answers(url):
        yield Fault("REDIS_URL", "names a Redis that does not answer. All works without it; limits are counted here.")


def _no_proxy(env: Environment) -> Iterator[Fault]:
    if env.text("ENVIRONMENT") == "production" and not env.is_set("TRUSTED_PROXIES"):
        yield Fault("TRUSTED_PROXIES", "is empty, so no proxy is believed that says https. Put their number there.")


def _secrets(env: Environment) -> Iterator[Fault]:
    named = {name: _values(env, name) for name in keys.RINGS}
    for name, ring in named.items():
        if not ring:
            yield Fault(name, f"is not set. Put {LEAST_BYTES} random bytes or more there: {keys.HOW_TO_MAKE_ONE}")
        for key in ring:
            if reason := _weakness(key):
                yield Fault(name, f"{reason}. Put {LEAST_BYTES} random bytes or more there: {keys.HOW_TO_MAKE_ONE}")
    for fallback in env.keys("SECRET_KEY_FALLBACKS"):
        if reason := _weakness(fallback):
            yield Fault("SECRET_KEY_FALLBACKS", f"{reason}. Take that key out of the list.")
    for name, ring in named.items():
        twins = [other for other, values in named.items() if other != name and set(values) & set(ring)]
        if twins:
            yield Fault(name, f"is also used as {' and '.join(twins)}. Put a key of its own there.")


def _values(env: Environment, name: str) -> tuple[str, ...]:
    if name == "SECRET_KEY":
        return (env.text(name),) if env.text(name) else ()
    return env.keys(name)


def _weakness(key: str) -> str:
    """Say why *key* is no secret, or nothing."""
    if len(key.encode()) < LEAST_BYTES:
        return f"is shorter than {LEAST_BYTES} bytes"
    if len(set(key)) < _LEAST_VARIETY:
        return "repeats a few characters"
    if _PLACEHOLDERS.search(key):
        return "is a known default or a placeholder"
    return ""


def _database(env: Environment) -> Iterator[Fault]:
    example = "postgresql://user:password@host:5432/gatehouse"
    if not env.is_set("DATABASE_URL"):
        yield Fault("DATABASE_URL", f"is not set. Put the address of your database there: {example}")
    elif databases.is_sqlite(databases.database(env)) and env.text("DATABASE_URL").startswith("sqlite"):
        yield Fault("DATABASE_URL", f"names SQLite, which is for development. Put a server there: {example}")


def _mail(env: Environment) -> Iterator[Fault]:
    example = "smtp+tls://user:password@host:587"
    found = mail.mail(env, default="dev:")
    if not env.is_set("EMAIL_URL") and not env.is_set("SENDGRID_API_KEY"):
        yield Fault("EMAIL_URL", f"is not set, nor is SENDGRID_API_KEY. Put {example} there.")
    elif mail.is_understood(env.text("EMAIL_URL") or "dev:") and not mail.is_delivering(found):
        yield Fault("EMAIL_URL", f"keeps mails on this machine. Put {example} there.")
    if not env.is_set("EMAIL_FROM"):
        yield Fault("EMAIL_FROM", "is not set. Put the sender of your mails there: Example <no-reply@example.com>")
    elif env.text("EMAIL_FROM").rstrip(">").endswith("@localhost"):
        yield Fault("EMAIL_FROM", "is an address on localhost. Put a sender of your own domain there.")


def _addresses(env: Environment) -> Iterator[Fault]:
    if not env.is_set("BASE_URL"):
        yield Fault("BASE_URL", "is not set. Put the address people type there: https://id.example.com")
    for name in ("BASE_URL", "FRONTEND_URL"):
        url = env.text(name)
        if url and not _is_https(url):
            yield Fault(name, "is no https address. Put one there: https://id.example.com")
        elif url and (urlsplit(url).path.strip("/") or "@" in urlsplit(url).netloc):
            yield Fault(name, "holds more than a scheme and a host. Put https://id.example.com there.")
    yield from _other_addresses(env)
    if any("*" in host or host.startswith(".") for host in env.names("ALLOWED_HOSTS")):
        yield Fault("ALLOWED_HOSTS", "holds a wildcard. Put the names there, one by one: id.example.com")
    path = env.text("ADMIN_PATH").strip("/")
    if not _PATH.fullmatch(path) or path.split("/")[0] in _TAKEN:
        yield Fault("ADMIN_PATH", "is taken by something else. Put a path of its own there: staff-7f3a/")
    url = env.text("REDIS_URL")
    if url and not caches.is_redis_url(url):
        yield Fault("REDIS_URL", "is no Redis address. Put redis://host:6379/0 or rediss://… there, or nothing.")
    caches.session_cache(env)  # keeps its own fault


def _other_addresses(env: Environment) -> Iterator[Fault]:
    support = env.text("SUPPORT_URL")
    if support and not support.startswith(("https://", "mailto:")):
        yield Fault("SUPPORT_URL", "is no https or mailto address. Put https://example.com/help there.")
    try:
        trusted_proxies(env.text("TRUSTED_PROXIES"))
    except ValueError:
        yield Fault("TRUSTED_PROXIES", "is neither a number nor networks. Put 1 there, or 10.0.0.0/8,192.0.2.1.")
    if any(character in env.text("EMAIL_FROM") for character in "\r\n"):
        yield Fault("EMAIL_FROM", "holds a line break. Put Example <no-reply@example.com> there.")


def _origins(env: Environment) -> Iterator[Fault]:
    for origin in env.names("CORS_ORIGINS"):
        if "*" in origin:
            yield Fault("CORS_ORIGINS", "holds a *. Put each origin there by name: https://app.example.com")
        elif not _is_https(origin) or urlsplit(origin).path:
            yield Fault(
                "CORS_ORIGINS", "holds what is no https origin. Put https://app.example.com there, without a path."
            )


def _switches(env: Environment) -> Iterator[Fault]:
    if env.flag("DEBUG"):
        yield Fault("DEBUG", "is on: it shows settings and code to everybody. Put false there, or nothing.")
    if env.is_set("LIMITS_SCALE") and env.decimal("LIMITS_SCALE") != 1:
        yield Fault("LIMITS_SCALE", "weakens or tightens every rate limit. Put 1 there, or nothing.")


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)
