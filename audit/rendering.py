"""A report as a file: HTML that stands alone, JSON, or CSV."""

import io
import json
from collections.abc import Iterator
from typing import Any

from django.template.loader import render_to_string

from gatehouse.conf import app_settings as ground
from gatehouse.spreadsheets import Table

from .canonical import moment
from .report import Report

TYPES = {"html": "text/html; charset=utf-8", "json": "application/json", "csv": "text/csv; charset=utf-8"}


def render(report: Report, form: str) -> str:
    """Return *report* in one of the forms of TYPES."""
    match form:
        case "html":
            return render_to_string("audit/report.html", {"report": report, "name": ground().SITE_NAME})
        case "json":
            return json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n"
        case _:
            out = io.StringIO(newline="")
            table = Table(out)
            for row in _rows(report):
                table.add(row)
            return out.getvalue()


def file_name(report: Report, form: str) -> str:
    """Return what the file of *report* is called: by the time it is about."""
    found = report.found
    return f"audit-{found.since:%Y%m%dT%H}-{found.until:%Y%m%dT%H}.{form}"


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    found = report.found
    whole = {"since": moment(found.since), "until": moment(found.until)}
    for section in report.sections:
        for figure in (*section.figures, *section.bars):
            yield {**whole, "part": section.name, "name": figure.label, "number": figure.number}
    for bucket in found.buckets:
        for name, number in (("events", bucket.events), ("failed", bucket.failed)):
            yield {**whole, "part": "buckets", "name": f"{moment(bucket.start)} {name}", "number": number}
