"""What ``EMAIL_URL`` or ``SENDGRID_API_KEY`` becomes: Django's mail settings."""

from typing import Any
from urllib.parse import unquote, urlsplit

from config.env import BASE_DIR, Environment, Fault

_SMTP = {"smtp": 25, "smtp+tls": 587, "smtps": 465}
TIMEOUT = 10
_LOCAL = {
    "console": "django.core.mail.backends.console.EmailBackend",
    "file": "django.core.mail.backends.filebased.EmailBackend",
    "dev": "config.devmail.backend.EmailBackend",
}


def mail(env: Environment, *, default: str) -> dict[str, Any]:
    """Return the mail settings; *default* stands in where the environment names no way to send."""
    if env.text("SENDGRID_API_KEY"):
        return {
            "EMAIL_BACKEND": "anymail.backends.sendgrid.EmailBackend",
            "ANYMAIL": {
                "SENDGRID_API_KEY": env.text("SENDGRID_API_KEY"),
                "REQUESTS_TIMEOUT": (3, TIMEOUT),
                # links of security mails are never rewritten, nobody is told who opened one
                "SEND_DEFAULTS": {"track_clicks": False, "track_opens": False},
            },
        }
    try:
        return from_url(env.text("EMAIL_URL") or default)
    except ValueError as error:
        env.faults.append(Fault("EMAIL_URL", str(error)))
        return from_url(default)


def is_understood(url: str) -> bool:
    """Tell whether *url* is one that ``from_url`` takes."""
    try:
        from_url(url)
    except ValueError:
        return False
    return True


def is_delivering(settings: dict[str, Any]) -> bool:
    """Tell whether mails leave this machine."""
    return settings["EMAIL_BACKEND"] not in _LOCAL.values()


def from_url(url: str) -> dict[str, Any]:
    """Return Django's mail settings for *url*; raise ValueError that says what a URL looks like."""
    scheme, _, rest = url.partition(":")
    if scheme in _LOCAL:
        folder = BASE_DIR / (rest.removeprefix("//") or "var/mail-files")
        return {"EMAIL_BACKEND": _LOCAL[scheme], **({"EMAIL_FILE_PATH": str(folder)} if scheme == "file" else {})}
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL. Percent-encode the user name and the password in it.") from None
    if scheme not in _SMTP or not parts.hostname:
        raise ValueError(
            "must be like smtp+tls://user:password@host:587 (or smtp://, smtps://, console:, file:PATH, dev:)."
        )
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port or _SMTP[scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": scheme == "smtp+tls",
        "EMAIL_USE_SSL": scheme == "smtps",
        "EMAIL_TIMEOUT": TIMEOUT,
    }
