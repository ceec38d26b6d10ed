"""Why a line of an import is refused: every code with its words, and what a report says of a line."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """What is wrong with a line; the codes are the contract of the report."""

    LINE_TOO_LONG = "line_too_long"
    NOT_UTF8 = "not_utf8"
    MALFORMED = "malformed"
    UNKNOWN_FIELD = "unknown_field"
    REPEATED_FIELD = "repeated_field"
    REQUIRED = "required"
    WRONG_TYPE = "wrong_type"
    INVALID = "invalid"
    TOO_LONG = "too_long"
    IN_THE_FUTURE = "in_the_future"
    HASH_UNKNOWN = "hash_unknown"
    HASH_MALFORMED = "hash_malformed"
    HASH_TOO_COSTLY = "hash_too_costly"
    ROLE_REFUSED = "role_refused"
    DUPLICATE = "duplicate"
    ADDRESS_TAKEN = "address_taken"
    ADDRESS_HELD = "address_held"
    ERASED = "erased"


# What the report says besides. Nothing of what a line holds goes into it.
WORDS = {
    Code.LINE_TOO_LONG: "The line is longer than 16 KiB.",
    Code.NOT_UTF8: "The line is not UTF-8.",
    Code.MALFORMED: "The line is not written as the format wants it.",
    Code.UNKNOWN_FIELD: "There is no such field.",
    Code.REPEATED_FIELD: "A field stands on the line twice.",
    Code.REQUIRED: "The field is missing or empty.",
    Code.WRONG_TYPE: "The field takes another kind of value.",
    Code.INVALID: "The value is not one that the field takes.",
    Code.TOO_LONG: "The value is too long.",
    Code.IN_THE_FUTURE: "The time is still to come.",
    Code.HASH_UNKNOWN: "No kind of hash that is known here begins like this.",
    Code.HASH_MALFORMED: "The hash is cut, too long, or holds what its kind does not.",
    Code.HASH_TOO_COSTLY: "To verify the hash once would take this server too long, or too much memory.",
    Code.ROLE_REFUSED: "An import makes users and guests; staff are invited.",
    Code.DUPLICATE: "An earlier line of the file has the same address.",
    Code.ADDRESS_TAKEN: "Another account has the address.",
    Code.ADDRESS_HELD: "An account left the address lately, and may still take it back.",
    Code.ERASED: "The account that had the address was erased.",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that made no account, and why. It holds no hash, and of a person no more than the address."""

    line: int
    code: Code
    field: str | None = None
    email: str | None = None
    first_line: int | None = None  # for a duplicate: where the address stood before

    def as_json(self) -> str:
        """Return the line of the report."""
        said: dict[str, Any] = {"line": self.line, "field": self.field, "code": self.code, "detail": WORDS[self.code]}
        if self.email is not None:
            said["email"] = self.email
        if self.first_line is not None:
            said["first_line"] = self.first_line
        return json.dumps(said)
