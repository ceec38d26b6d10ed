"""The report of the month before, mailed to AUDIT["REPORT_TO"] once the month is over.

It leaves the house, so it tells no addresses. A row a month says that it went: a worker claims the row, sends, and
marks it; one that dies in between, or a mail server that refuses, has it tried again, so that it may come twice.
"""

from datetime import UTC, datetime, timedelta

from django.core.mail import EmailMessage, get_connection
from django.db.models import F
from django.utils.translation import gettext as _

from gatehouse.conf import app_settings as ground

from . import report
from .conf import app_settings
from .models import MonthlyReport, Rollup
from .rendering import file_name, render

_SETTLED = timedelta(hours=6)  # after the month, until what was under way at its end is counted
_AGAIN = timedelta(hours=1)


def send_due(*, now: datetime) -> bool:
    """Send the report that is due, if one is, and tell whether it left. Raises what sending raises."""
    if not app_settings().REPORT_TO:
        return False
    until = _month_of(now - _SETTLED)
    since = _month_of(until - timedelta(days=1))
    if not Rollup.objects.filter(hour__lt=until).exists():  # there was no trail then
        return False
    if not _claim(f"{since:%Y-%m}", now):
        return False
    made = report.make(since=since, until=until, bucket="day", addresses=False, now=now)
    get_connection().send_messages([_mail(made, to) for to in app_settings().REPORT_TO])
    MonthlyReport.objects.filter(month=f"{since:%Y-%m}").update(sent_at=now)
    return True


def _claim(month: str, now: datetime) -> bool:
    """Take the report of *month*; false where it went, or where somebody else is at it."""
    MonthlyReport.objects.bulk_create([MonthlyReport(month=month, next_try_at=now)], ignore_conflicts=True)
    mine = MonthlyReport.objects.filter(month=month, sent_at=None, next_try_at__lte=now)
    return bool(mine.update(next_try_at=now + _AGAIN, attempts=F("attempts") + 1))


def _mail(made: report.Report, to: str) -> EmailMessage:
    totals, name = made.found.totals, ground().SITE_NAME
    subject = _("%(name)s: audit report of %(month)s") % {"name": name, "month": f"{made.found.since:%Y-%m}"}
    lines = [
        _("%(events)s events, %(failed)s of them failed.") % {"events": totals.events, "failed": totals.failed},
        _("The report is attached; open it in a browser. Its links lead to the staff area."),
    ]
    message = EmailMessage(" ".join(subject.split()), "\n\n".join(lines) + "\n", to=[to])
    message.attach(file_name(made, "html"), render(made, "html"), "text/html")
    message.extra_headers["Auto-Submitted"] = "auto-generated"
    return message


def _month_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
