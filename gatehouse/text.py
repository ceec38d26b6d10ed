"""The shape of texts: one set of rules for forms, serializers, models and commands.

Addresses accepted: a dot-atom of ASCII letters, digits and ``!#$%&'*+-/=?^_`{|}~`` or of letters, marks and digits
of any script, then ``@``, then a domain of two labels or more that IDNA 2008 allows. Refused: quoted local parts,
comments, addresses of hosts in brackets, domains of one label, anything over 254 octets or 64 before the ``@``.
"""

import re
import unicodedata
from functools import lru_cache

import idna
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

EMAIL_MAX_LENGTH = 254
EMAIL_LOCAL_MAX_LENGTH = 64
_MASK = "•••"
_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters, NUL and line breaks among them
    "\u00ad\u061c\u180e"  # soft hyphen, Arabic letter mark, Mongolian vowel separator
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, directions, separators
    "\ufeff\ufff9-\ufffb"  # byte order mark, annotations
    "\ud800-\udfff"  # halves of surrogate pairs
    "\U000e0000-\U000e007f"  # tags
    "]"
)
_CODE_LENGTH = 64
_BETWEEN_DIGITS = re.compile(r"[\s\-\u2010-\u2015\u2212]+")
_LINE_BREAKS = re.compile(r"\r\n|[\r\n\t]")
_ATOM_SYMBOLS = frozenset("!#$%&'*+-/=?^_`{|}~")


class UnsafeText(ValueError):  # noqa: N818  (named as a condition, like every refusal here)
    """Raised by clean_text(): the text holds a character that never belongs into a stored text."""


class InvalidEmail(ValueError):  # noqa: N818
    """Raised by normalise_email(): the text is not an address that Gatehouse accepts."""


def clean_text(value: str, *, multiline: bool = False) -> str:
    """Return *value* as it is, or refuse it.

    Refused are NUL, control characters, halves of surrogate pairs, marks of direction and zero width: databases
    choke on the first, logs and terminals on the second, and people are fooled by the last. With *multiline*,
    line breaks and tabs may stay.

    Raises UnsafeText.
    """
    checked = _LINE_BREAKS.sub(" ", value) if multiline else value
    if _UNSAFE.search(checked):
        raise UnsafeText("The text holds a control character or an invisible one.")
    return value


def validate_text(value: str) -> None:
    """Refuse a text that clean_text() refuses, in the way that forms, models and serializers expect."""
    try:
        clean_text(value)
    except UnsafeText:
        raise ValidationError(_("Take out characters that cannot be seen."), code="invalid") from None


def validate_multiline_text(value: str) -> None:
    """Refuse what validate_text() refuses, but let line breaks and tabs stay."""
    try:
        clean_text(value, multiline=True)
    except UnsafeText:
        raise ValidationError(_("Take out characters that cannot be seen."), code="invalid") from None


def normalise_email(value: str) -> tuple[str, str]:
    """Return an address as it was typed, trimmed, and the key that every look-up, limit and hash uses.

    The key is NFKC, case-folded, its domain written as A-labels: addresses that a person takes for one are one
    (ASVS 6.2; CVE-2019-19844 and CVE-2026-97764 were two rules where one was needed). Lengths are looked at first,
    and every step takes linear time.

    Raises InvalidEmail.
    """
    if len(value) > EMAIL_MAX_LENGTH * 2:
        raise InvalidEmail("The address is too long.")
    typed = value.strip()
    if _UNSAFE.search(typed):
        raise InvalidEmail("The address holds a control character or an invisible one.")
    local, at, domain = unicodedata.normalize("NFKC", typed).partition("@")
    if not at or "@" in domain:
        raise InvalidEmail("An address has one @.")
    if not _is_dot_atom(local):
        raise InvalidEmail("The part before the @ is not one that is accepted.")
    folded = unicodedata.normalize("NFKC", local.casefold())
    key = f"{folded}@{_a_labels(domain)}"
    too_long = max(len(local.encode()), len(folded.encode())) > EMAIL_LOCAL_MAX_LENGTH
    if too_long or max(len(typed.encode()), len(key.encode())) > EMAIL_MAX_LENGTH:
        raise InvalidEmail("The address is too long.")
    return typed, key


def validate_email_address(value: str) -> None:
    """Refuse an address that normalise_email() refuses, in the way that forms and serializers expect."""
    try:
        normalise_email(value)
    except InvalidEmail:
        message = _("Enter an email address in the correct format, like name@example.com.")
        raise ValidationError(message, code="invalid") from None


def mask_email(email: str) -> str:
    """Return an address that its owner recognises and nobody else learns: ``j•••@e•••.com``."""
    local, _at, domain = email.rpartition("@")
    name, dot, ending = domain.rpartition(".")
    return f"{local[:1]}{_MASK}@{name[:1]}{_MASK}{dot}{ending}"


def tidy_code(text: str) -> str:
    """Return a typed code as ASCII letters and digits, or an empty text where it holds anything else."""
    if len(text) > _CODE_LENGTH:
        return ""
    code = _BETWEEN_DIGITS.sub("", unicodedata.normalize("NFKC", text))
    return code if code.isascii() and code.isalnum() else ""


def _is_dot_atom(local: str) -> bool:
    return all(atom and all(map(_is_atom_character, atom)) for atom in local.split("."))


def _is_atom_character(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character in _ATOM_SYMBOLS
    return unicodedata.category(character)[0] in "LMN"


@lru_cache(maxsize=1024)  # a sign-in reads one address three times, and few domains have most of them
def _a_labels(domain: str) -> str:
    """Return *domain* as lower-case A-labels, or refuse it."""
    if not 3 <= len(domain) <= 253 or domain.endswith("."):
        raise InvalidEmail("The part after the @ is not the name of a domain.")
    try:
        encoded = idna.encode(domain, uts46=True, std3_rules=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        raise InvalidEmail("The part after the @ is not the name of a domain.") from None
    labels = encoded.split(".")
    if len(labels) < 2 or not all(labels) or labels[-1].isdigit():
        raise InvalidEmail("The part after the @ is not the name of a domain.")
    return encoded
