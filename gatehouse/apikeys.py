"""The form of API keys: ``ghk_``, an id, a secret and a checksum, 54 characters that scanners for leaks recognise.

1. The id is public: a key is found, listed and revoked by it. The secret has 190 bits (ASVS 11.5.1), and only its
   keyed hash is kept.
2. The last six characters are the CRC-32 of all before them, in base 62 as in the tokens of code hosts: a scanner
   tells a key from other text by them, and what was cut or mistyped is refused without a look into the database.
"""

import re
import secrets
import string
import zlib
from dataclasses import dataclass
from typing import Any

from django.urls import Resolver404, resolve

PREFIX = "ghk_"
ID_LENGTH = len(PREFIX) + 12  # of what is shown, with the prefix
_SECRET_LENGTH = 32
_CHECK_LENGTH = 6
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{ID_LENGTH - len(PREFIX) + _SECRET_LENGTH + _CHECK_LENGTH}}}")


@dataclass(frozen=True, slots=True)
class KeyText:
    """A whole key, as it is shown once and then presented; neither str() nor repr() shows its secret."""

    public_id: str  # with the prefix
    secret: str

    def __repr__(self) -> str:
        return f"KeyText({self.public_id}…)"

    def text(self) -> str:
        """Return the key as its holder keeps it."""
        return _checked(self.public_id + self.secret)


def new() -> KeyText:
    """Return a key that nobody has."""
    return KeyText(PREFIX + _drawn(ID_LENGTH - len(PREFIX)), _drawn(_SECRET_LENGTH))


def read(text: str) -> KeyText | None:
    """Return the parts of *text*, or None where it is no key by its form and its checksum."""
    if not _FORM.fullmatch(text) or _checked(text[:-_CHECK_LENGTH]) != text:
        return None
    return KeyText(text[:ID_LENGTH], text[ID_LENGTH:-_CHECK_LENGTH])


def presented(request: Any) -> str | None:
    """Return what the Authorization header of *request* holds, where it is meant for a key, right or not."""
    scheme, _, token = str(request.META.get("HTTP_AUTHORIZATION", "")).partition(" ")
    token = token.strip(" ")
    return token if scheme.lower() == "bearer" and token.startswith(PREFIX) else None


def are_taken_from(request: Any) -> bool:
    """Tell whether *request* brings a key by its form, and to a view that services call."""
    text = presented(request)
    if text is None or read(text) is None:
        return False
    try:
        view = resolve(request.path_info).func
    except Resolver404:
        return False
    return bool(getattr(getattr(view, "view_class", None), "takes_api_keys", False))


def _drawn(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checked(text: str) -> str:
    """Return *text* with its checksum behind it."""
    number, digits = zlib.crc32(text.encode("ascii")), ""
    for _ in range(_CHECK_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return text + digits
