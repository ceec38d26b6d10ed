"""The worker's sender: claims a mail, makes its text, sends it, and tries again later where that fails."""

from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import Any
from uuid import UUID

import structlog
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import DatabaseError, transaction
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts import events, links, mails
from accounts.conf import app_settings
from accounts.models import Challenge, Link, Mail, MailState
from accounts.services import address, lockouts, registration, resets
from accounts.signals import announce
from gatehouse import hashing
from gatehouse.client import Client
from gatehouse.conf import app_settings as site_settings
from gatehouse.events import Actor, FailureReason
from gatehouse.problems import Problem

log = structlog.get_logger(__name__)

BATCH = 20
_LATE = timedelta(minutes=5)  # a due mail that waits for longer is a fault
_BACK_OFF = (10, 30, 60, 300, 900, 3600)  # seconds after the first, second, ... failure; the last one stays


class Dropped(Exception):  # noqa: N818  (a condition: the mail is not to be sent any more)
    """Raised while a mail's text is made: there is nothing left to send. Its text goes into the row."""


class MailsWaiting(Exception):  # noqa: N818  (a condition, like every refusal here)
    """Raised by check_health(): the worker or the mail server does not keep up."""


def send_due(*, now: datetime | None = None, limit: int = BATCH) -> int:
    """Send what is due, at most *limit* mails, and return how many left.

    A mail is claimed by a conditional UPDATE, so that of several workers one sends it; a claim that a dead worker
    left behind runs out, and the mail is sent then: once more at most, never not at all.
    """
    sent = 0
    due = Mail.objects.due(now or timezone.now()).order_by("next_try_at").values_list("pk", flat=True)[:limit]
    for pk in list(due):
        sent += _deliver(pk, now or timezone.now())
    return sent


def waiting() -> tuple[int, datetime | None]:
    """Return how many mails wait to be sent, and since when the oldest of them is due."""
    queued = Mail.objects.filter(state__in=(MailState.QUEUED, MailState.SENDING))
    return queued.count(), queued.order_by("next_try_at").values_list("next_try_at", flat=True).first()


def _deliver(pk: UUID, now: datetime) -> bool:
    mail = _claim(pk, now)
    if mail is None:
        return False
    try:
        message = _message(mail, now)
        if message is None:  # a request that became another mail, or none
            return False
        with get_connection() as connection:
            connection.send_messages([message])
    except Dropped as reason:
        _finish(mail, MailState.DROPPED, str(reason), FailureReason.MAIL_EXPIRED)
        return False
    except DatabaseError:
        raise  # the claim runs out, and the mail is taken up again
    except Exception as error:  # every way in which a text or a server fails ends here: the mail waits, nothing is lost
        _failed(mail, error, now)
        return False
    _close(mail, state=MailState.SENT, sent_at=timezone.now(), error="")
    log.info("mail sent", mail_id=str(mail.pk), template=mail.template, attempts=mail.attempts)
    return True


def _claim(pk: UUID, now: datetime) -> Mail | None:
    """Take the mail, or None where another worker has it."""
    mail = Mail.objects.filter(pk=pk).select_related("user").first()
    if mail is None:
        return None
    until = now + app_settings().MAIL_CLAIM_TTL
    attempts = mail.attempts + 1
    mine = Mail.objects.due(now).filter(pk=pk, attempts=mail.attempts)
    if not mine.update(state=MailState.SENDING, attempts=attempts, next_try_at=until):
        return None
    mail.attempts = attempts
    return mail


def _failed(mail: Mail, error: Exception, now: datetime) -> None:
    """Put the mail back for later, or give it up."""
    cause = type(error).__name__
    context = {"mail_id": str(mail.pk), "template": mail.template, "attempts": mail.attempts, "cause": cause}
    if _is_permanent(error) or mail.attempts >= app_settings().MAIL_MAX_ATTEMPTS:
        log.error("mail given up", **context)
        _finish(mail, MailState.FAILED, cause, FailureReason.MAIL_FAILED)
        return
    log.warning("mail not sent, to be tried again", **context)
    wait = timedelta(seconds=_BACK_OFF[min(mail.attempts, len(_BACK_OFF)) - 1])
    Mail.objects.filter(pk=mail.pk).update(state=MailState.QUEUED, next_try_at=now + wait, error=cause)


def _is_permanent(error: Exception) -> bool:
    """Tell whether the server said that it will never take this mail."""
    if isinstance(error, SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in error.recipients.values())
    return isinstance(error, SMTPResponseException) and error.smtp_code in (550, 551, 553)


@transaction.atomic
def _finish(mail: Mail, state: MailState, error: str, reason: FailureReason) -> None:
    """Close the mail unsent, with its record."""
    _close(mail, state=state, error=error[:200])
    announce(
        events.MailFailed(
            client=Client.local("worker"),
            actor=Actor.system("worker"),
            user_id=str(mail.user_id) if mail.user_id else None,
            failure_reason=reason,
            template=mail.template,
            attempts=mail.attempts,
        )
    )


def _close(mail: Mail, **changes: Any) -> None:
    """Write down what became of *mail*; of one to somebody who was erased, not even the row stays."""
    row = Mail.objects.filter(pk=mail.pk)
    if mail.template == mails.ACCOUNT_ERASED or _is_erased(mail):
        row.delete()
    else:
        row.update(**changes)


def _is_erased(mail: Mail) -> bool:
    return mail.user is not None and mail.user.erased_at is not None


def _message(mail: Mail, now: datetime) -> EmailMultiAlternatives | None:
    """Make the message of *mail*. Raises Dropped."""
    if mail.template == "verify_request":
        registration.answer_resend(request=mail)
        return None
    if mail.template == "reset_request":
        resets.answer_request(request=mail)
        return None
    if mail.template == "address_request":
        address.answer_request(request=mail)
        return None
    if mail.template == mails.LOCKOUT:
        lockouts.answer_request(request=mail)
        return None
    if mail.expires_at is not None and now >= mail.expires_at:
        raise Dropped("too late to be of use")
    if _is_erased(mail):  # queued by a request that overlapped the erasure
        raise Dropped("the account was erased")
    context = _context(mail, now)
    name = f"accounts/mail/{mail.template}"
    subject = " ".join(render_to_string(f"{name}/subject.txt", context).split())
    text = render_to_string(f"{name}/body.txt", context)
    message = EmailMultiAlternatives(subject, text, app_settings().EMAIL_FROM, [mail.to])
    message.attach_alternative(render_to_string(f"{name}/body.html", context), "text/html")
    message.extra_headers["Message-ID"] = f"<{mail.pk}@{_host()}>"  # the same at every try, so that doubles show
    message.extra_headers["Auto-Submitted"] = "auto-generated"
    return message


def _context(mail: Mail, now: datetime) -> dict[str, Any]:
    """Return what the templates show, the code or the link among it."""
    site = site_settings()
    held: dict[str, Any] = {
        **mail.context,
        "at": parse_datetime(mail.context["at"]),
        "expires_at": mail.expires_at,
        "user_display": mail.user.display_name if mail.user else "",
        "site_name": site.SITE_NAME,
        "base_url": site.BASE_URL,
        "support_url": site.SUPPORT_URL,
        "host": _host(),
        "code_in_subject": app_settings().CODE_IN_SUBJECT,
    }
    if "until" in mail.context:
        held["until"] = parse_datetime(mail.context["until"])
    if "link" in mail.context:
        held["link"] = _link_text(mail.context["link"])
    if "offered_link" in mail.context:
        held |= _offer(mail.context["offered_link"], now)
    if "challenge" in mail.context:
        held["code"] = _code_text(mail)
    return held


def _offer(pk: str, now: datetime) -> dict[str, Any]:
    """Return the link and its end where it is open still; the mail is worth sending without it, too."""
    link = Link.objects.filter(pk=pk).first()
    if link is None or not link.is_open(now):
        return {}
    return {"link": _link_text(pk), "expires_at": link.expires_at}


def _link_text(pk: str) -> str:
    link = Link.objects.filter(pk=pk).first()
    if link is None or link.open_key is None:
        raise Dropped("the link is no longer open")
    try:
        return links.address_of(link)
    except Problem:
        raise Dropped("the link was made with a key that is gone") from None


def _code_text(mail: Mail) -> str:
    """Derive the code of the row again, under the mail key that it was made with."""
    send, challenge = mail.context["send"], Challenge.objects.filter(pk=mail.context["challenge"]).first()
    if challenge is None or challenge.consumed_at is not None or challenge.sends != send:
        raise Dropped("a newer code was sent, or none is asked for any more")
    for key in hashing.mail_keys():
        code = hashing.derive_code("sign-in", challenge.pk, send, app_settings().OTP_LENGTH, key)
        if challenge.code_hash in hashing.keyed_hashes("code", challenge.pk, code):
            return code
    raise Dropped("the code was made with a key that is gone")


def _host() -> str:
    return site_settings().BASE_URL.partition("://")[2].partition("/")[0].partition(":")[0]


def check_health() -> None:
    """Raise where a mail waits for longer than it should (the health check called ``mail``)."""
    number, since = waiting()
    if since is not None and timezone.now() - since > _LATE:
        raise MailsWaiting(f"{number} mails wait, the oldest for over {_LATE}.")
