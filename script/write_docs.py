"""Writes docs/events.md, errors.md, limits.md, settings.md and users/getting-started.md from the code."""

import os
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"  # no file is read, no secret is written

import django  # noqa: E402

django.setup()

from django.utils.translation import override  # noqa: E402

import audit.events  # noqa: E402, F401 - nothing else loads it at the start
from accounts.pages import guide  # noqa: E402
from config.lifetimes import SECTIONS  # noqa: E402
from gatehouse.events import FailureReason, SecurityEvent  # noqa: E402
from gatehouse.limits import LIMITS  # noqa: E402
from gatehouse.problems.table import PROBLEMS  # noqa: E402

NOTE = "<!-- Written by script/docs from the tables in the code; change those. -->\n"
WHEN_AWAY = {
    "database": "closed: 503",
    "memory": "closed: each process counts by itself",
    "challenge": "closed: 503",  # its row is in the database
}
APPS = ("accounts", "sessions_app", "adminpanel", "audit", "gatehouse")


def main() -> int:
    """Write the pages, or with ``--check`` say which ones are out of date."""
    with override("en"):
        pages = {
            "events": events(),
            "errors": errors(),
            "limits": limit_table(),
            "settings": settings(),
            "users/getting-started": getting_started(),
        }
    stale = []
    for name, text in pages.items():
        path = ROOT / "docs" / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            stale.append(f"docs/{name}.md")
            if "--check" not in sys.argv:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
    verb = "out of date, run script/docs" if "--check" in sys.argv else "written"
    print("\n".join(f"{name}: {verb}" for name in stale) or "docs: up to date")
    return 1 if stale and "--check" in sys.argv else 0


def event_classes(base: type[SecurityEvent] = SecurityEvent) -> Iterator[type[SecurityEvent]]:
    """Yield every event of the project's own apps."""
    for kind in base.__subclasses__():
        if kind.__module__.partition(".")[0] in APPS:
            yield kind
        yield from event_classes(kind)


def events() -> str:
    """Return the page of events: what the trail holds."""
    base = {field.name for field in fields(SecurityEvent)}
    lines = [
        "# Events",
        "",
        NOTE,
        "What the audit trail records. Names of actions are those of the OWASP logging vocabulary, or have its form.",
        "Every row also says when, who, from where, whether it succeeded and, where it did not, why.",
        "",
        "| Action | Type | When | Details | Sent by |",
        "|---|---|---|---|---|",
    ]
    for kind in sorted(event_classes(), key=lambda kind: (kind.action, kind.__module__, kind.__name__)):
        says = " ".join((kind.__doc__ or "").split())
        details = ", ".join(f"`{field.name}`" for field in fields(kind) if field.name not in base)
        app = kind.__module__.partition(".")[0]
        lines.append(f"| `{kind.action}` | {kind.event_type.value} | {says} | {details} | {app} |")
    reasons = ", ".join(f"`{reason.value}`" for reason in FailureReason)
    return "\n".join([*lines, "", "## Why something failed", "", f"`failure_reason` is one of {reasons}.", ""])


def errors() -> str:
    """Return the page of codes that an answer of the API may carry."""
    lines = [
        "# Errors",
        "",
        NOTE,
        "Every error below `/api/` is a problem document (RFC 9457). Its `code` is the contract and never changes its",
        "meaning; `title` and `detail` are for people and follow `Accept-Language`.",
        "",
        "| Status | Code | Title | What to do |",
        "|---|---|---|---|",
    ]
    for code, kind in sorted(PROBLEMS.items(), key=lambda pair: (pair[1].status, pair[0])):
        lines.append(f"| {kind.status} | `{code}` | {kind.title} | {kind.detail} |")
    return "\n".join([*lines, ""])


def limit_table() -> str:
    """Return the page of limits."""
    lines = [
        "# Limits",
        "",
        NOTE,
        "Every answer 429 comes from this table. `LIMITS_SCALE` multiplies the numbers, for benches and",
        "demonstrations; production refuses any value but 1. A limit kept in the database is exact under any race, and",
        "closed when the database is away; the one in memory is counted by each process for itself when there is no",
        "cache, and so approximately. What a challenge counts stands in its own row, exact and closed likewise: the",
        "settings named beside it decide, their defaults are shown, and `LIMITS_SCALE` leaves them alone. None is ever",
        "open. Those called after a role hold at every endpoint of the API, cost a request no query, and have",
        "settings of their own, which are named beside them; `LIMIT_SERVICE` is that of `service_key`.",
        "",
        "| Limit | Counted by | Number | Window | Kept in | When that fails | Answer | What |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for limit in LIMITS.values():
        window = f"{limit.seconds // 3600} h" if limit.seconds >= 3600 else f"{limit.seconds // 60} min"
        kept = (limit.store, WHEN_AWAY[limit.store], "as ever, no mail" if limit.quiet else f"`{limit.answer}`")
        cells = (f"`{limit.name}`", limit.key, limit.number, window, *kept, limit.says)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join([*lines, ""])


def settings() -> str:
    """Return the page of environment variables."""
    says = "Each is read once, from the environment or `.env`. Durations are like 90s, 10m, 24h, 7d."
    lines = ["# Settings", "", NOTE, says]
    for section, variables in SECTIONS.items():
        lines += ["", f"## {section}", "", "| Variable | Default | What |", "|---|---|---|"]
        for variable in variables:
            default = f"`{variable.default}`" if variable.default else ""
            choices = [f"`{choice}`" for choice in variable.choices if choice]
            says = f"{variable.says} One of {', '.join(choices)}." if choices else variable.says
            lines.append(f"| `{variable.name}` | {default} | {says.replace('|', chr(92) + '|')} |")
    return "\n".join([*lines, ""])


def getting_started() -> str:
    """Return the page for the people who sign up, as the pages of the site say it with the settings that ship."""
    says = (
        "The numbers are those that ship; a site shows its own at `/account/getting-started`, and more about passwords"
    )
    lines = ["# Getting started", "", NOTE, guide.welcome(), says, "at `/account/password-policy`."]
    for section in guide.getting_started():
        lines += ["", f"## {section.title}", ""]
        lines += [" ".join(section.said), ""] if section.said else []
        lines += [f"{f'{number}.' if section.are_steps else '-'} {one}" for number, one in enumerate(section.points, 1)]
        if not section.points:
            lines.pop()
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
