"""The folder of kept mails: one JSON file each, written in one step, named by us."""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage as ParsedMessage
from email.policy import default
from pathlib import Path

from django.conf import settings
from django.utils import timezone

KEPT = 200  # the newest; older ones are removed
_ID = re.compile(r"\d{8}-\d{12}-[0-9a-f]{8}")
_LINK = re.compile(r"https?://[^\s<>\"]+")
_CODE = re.compile(r"(?<![\w/=-])\d{6,10}(?![\w/=-])")


@dataclass(frozen=True, kw_only=True)
class KeptMail:
    """A mail as a reader sees it."""

    id: str
    sent_at: str
    sender: str
    to: str
    subject: str
    text: str
    html: str

    @property
    def when(self) -> datetime:
        """The moment it was sent."""
        return datetime.fromisoformat(self.sent_at)

    @property
    def link(self) -> str:
        """The first address in its text, which is what it is about."""
        found = _LINK.search(self.text)
        return found[0].rstrip(".,)") if found else ""

    @property
    def code(self) -> str:
        """The code it carries, if it carries one."""
        found = _CODE.search(_LINK.sub("", self.text))
        return found[0] if found else ""


def folder() -> Path:
    """Return the folder of the mailbox."""
    return Path(settings.DEVELOPMENT_MAILBOX)


def keep(raw: ParsedMessage) -> KeptMail:
    """Put a mail into the mailbox and return it."""
    now = timezone.now()
    mail = KeptMail(
        id=f"{now:%Y%m%d-%H%M%S%f}-{secrets.token_hex(4)}",
        sent_at=now.isoformat(),
        sender=str(raw["From"]),
        to=str(raw["To"]),
        subject=str(raw["Subject"]),
        text=_body(raw, "plain"),
        html=_body(raw, "html"),
    )
    place = folder()
    place.mkdir(parents=True, exist_ok=True)
    draft = place / f".{mail.id}"
    draft.write_text(json.dumps(asdict(mail)))
    draft.rename(place / f"{mail.id}.json")
    for old in _paths()[KEPT:]:
        old.unlink(missing_ok=True)
    return mail


def mails() -> Sequence[KeptMail]:
    """Return the kept mails, the newest first."""
    return [mail for path in _paths() if (mail := _read(path))]


def find(mail_id: str) -> KeptMail | None:
    """Return one kept mail, or None; only ids of our own making are looked for."""
    return _read(folder() / f"{mail_id}.json") if _ID.fullmatch(mail_id) else None


def parse(content: bytes) -> ParsedMessage:
    """Return a message as the standard library reads it."""
    return message_from_bytes(content, ParsedMessage, policy=default)


def _body(raw: ParsedMessage, kind: str) -> str:
    part = raw.get_body((kind,))
    return str(part.get_content()) if part else ""


def _paths() -> list[Path]:
    return sorted(folder().glob("*.json"), reverse=True)


def _read(path: Path) -> KeptMail | None:
    try:
        return KeptMail(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
