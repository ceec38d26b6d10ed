"""How the file of an import is read: lines, JSON, CSV, and what a row must hold."""

import io
import json
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.imports.candidates import Candidate, examine
from accounts.imports.formats import FIELDS, FORMATS, Row
from accounts.imports.lines import LONGEST, Lines, Unreadable
from accounts.imports.refusals import WORDS, Code, Refusal
from accounts.imports.seen import remembering
from accounts.roles import Role
from tests.accounts.foreign_hashes import HASHES

pytestmark = pytest.mark.unit
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BCRYPT = HASHES["bcrypt-2b"][0]
GOOD = b'{"email": "jane@example.com"}\n'


def read(data: bytes, kind: str = "jsonl") -> list[Row | Refusal]:
    return list(FORMATS[kind](Lines(io.BytesIO(data))))


def told(found: list[Row | Refusal]) -> list[Any]:
    """Return what came of each line: the line for a row, the line and the code for a refusal."""
    return [one.line if isinstance(one, Row) else (one.line, one.code) for one in found]


def row(**fields: Any) -> Candidate | Refusal:
    return examine(Row(7, {"email": "jane@example.com", **fields}), NOW)


def candidate(**fields: Any) -> Candidate:
    found = row(**fields)
    assert isinstance(found, Candidate), found
    return found


def test_lines_are_read_whatever_their_ends_and_marks() -> None:
    assert told(read(b"\xef\xbb\xbf" + GOOD)) == [1]
    assert told(read(GOOD.replace(b"\n", b"\r\n") * 2)) == [1, 2]
    assert told(read(GOOD.strip())) == [1]  # no end of the last line
    assert told(read(b"\n  \n" + GOOD)) == [3]
    assert read(b"") == read(b"\xef\xbb\xbf") == read(b"\n\n") == []


def test_a_bad_line_spoils_itself_alone() -> None:
    bad = {
        b"\xff\xfe not text": Code.NOT_UTF8,
        b'{"email": "j\xe4ne@example.com"}': Code.NOT_UTF8,
        b"x" * (LONGEST * 3): Code.LINE_TOO_LONG,
        b'{"email": "' + b"a" * LONGEST + b'"}': Code.LINE_TOO_LONG,
        b"{": Code.MALFORMED,
        b"[]": Code.MALFORMED,
        b"null": Code.MALFORMED,
        b'"jane@example.com"': Code.MALFORMED,
        b'{"email": NaN}': Code.MALFORMED,
        b'{"email": "a\x00b"}': Code.MALFORMED,
        b'{"email": ' + b"9" * 5000 + b"}": Code.MALFORMED,
        b"[" * 15_000: Code.MALFORMED,
        b'{"email": "a@example.com", "email": "b@example.com"}': Code.REPEATED_FIELD,
        b'{"email": "a@example.com", "shoe_size": 42}': Code.UNKNOWN_FIELD,
    }
    data = b"".join(GOOD + line + b"\n" for line in bad)
    wanted = [entry for n, code in enumerate(bad.values()) for entry in (2 * n + 1, (2 * n + 2, code))]
    assert told(read(data)) == wanted


def test_a_last_line_that_is_too_long_has_no_end_either() -> None:
    assert told(read(GOOD + b"x" * (LONGEST * 2 + 1))) == [1, (2, Code.LINE_TOO_LONG)]
    whole = b'{"email": "' + b"a" * (LONGEST - 13) + b'"}'
    assert len(whole) == LONGEST
    assert told(read(whole)) == told(read(whole + b"\n")) == [1]


def test_an_endless_line_takes_no_memory() -> None:
    class Endless(io.RawIOBase):
        left = 2_000

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            self.left -= 1
            buffer[:] = b"x" * len(buffer)
            return len(buffer) if self.left > 0 else 0

    stream = io.BufferedReader(Endless(), 65_536)  # 130 MB of one line
    tracemalloc.start()
    assert told(list(FORMATS["jsonl"](Lines(stream)))) == [(1, Code.LINE_TOO_LONG)]
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("data", ["\ufeffemail\n".encode("utf-16-le"), "email".encode("utf-16"), "a".encode("utf-32")])
@pytest.mark.parametrize("kind", FORMATS)
def test_another_encoding_is_said_at_once(data: bytes, kind: str) -> None:
    with pytest.raises(Unreadable, match="not UTF-8"):
        read(data, kind)


def test_the_name_of_an_unknown_field_is_told_where_it_is_a_name() -> None:
    found = read(b'{"shoe_size": 1}\n{"jane@example.com": 1}\n{"' + BCRYPT.encode() + b'": 1}')
    assert [one.field for one in found] == ["shoe_size", None, None]


def test_csv_is_read_by_the_names_of_its_first_line() -> None:
    data = b"\n display_name\n"
    with pytest.raises(Unreadable, match="names columns that are not known"):
        read(data, "csv")
    found = read(b'\xef\xbb\xbfdisplay_name,email\r\n"Roe, ""J"" Jane",jane@example.com\r\n\r\n,joe@example.com', "csv")
    assert [one.fields for one in found] == [
        {"display_name": 'Roe, "J" Jane', "email": "jane@example.com"},
        {"display_name": "", "email": "joe@example.com"},
    ]
    assert told(found) == [2, 4]


@pytest.mark.parametrize(("data", "words"), [
    (b"", "no names"),
    (b"\n\n", "no names"),
    (b'"email\n', "no names"),
    (b"\xff\n", "no names"),
    (b"x" * 20_000, "no names"),
    (b"email,shoe_size\n", "not known: shoe_size. Known are email, password_hash"),
    (b"jane@example.com,x\n", "not known: x. Known"),  # an address is not told
    (b"email,email\n", "twice"),
    (b"display_name\n", "not the email"),
])  # fmt: skip
def test_a_first_line_that_names_no_fields_stops_all_of_it(data: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words) as said:
        read(data, "csv")
    assert "jane@" not in str(said.value)


def test_a_bad_line_of_csv_spoils_itself_alone() -> None:
    bad = [b'"never closed,x', b"one", b"a,b,c", b'a"b"c,"d"e', b"a\rb,c"]
    data = b"email,display_name\n" + b"".join(line + b"\na@example.com,A\n" for line in bad)
    assert told(read(data, "csv")) == [
        entry for n in range(len(bad)) for entry in ((2 * n + 2, Code.MALFORMED), 2 * n + 3)
    ]


def test_a_row_with_every_field_becomes_what_it_says() -> None:
    found = candidate(
        email=" Jane@EXAMPLE.com ",
        password_hash=f" {BCRYPT}\t",
        display_name=" Jane Roe ",
        email_verified="2021-03-04 05:06:07.5+02",
        created_at="2021-03-04T05:00:00Z",
        role="guest",
        terms_version="2020-1",
    )
    assert (found.email, found.key) == ("Jane@EXAMPLE.com", "jane@example.com")
    assert (found.encoded, found.scheme) == (f"bcrypt${BCRYPT}", "bcrypt")
    assert (found.display_name, found.role, found.terms_version) == ("Jane Roe", Role.GUEST, "2020-1")
    assert found.verified_at == datetime(2021, 3, 4, 3, 6, 7, 500_000, tzinfo=UTC)
    assert found.created_at == datetime(2021, 3, 4, 5, tzinfo=UTC)
    assert BCRYPT not in repr(found)


def test_an_address_is_enough() -> None:
    for empty in (None, "", " "):
        found = candidate(**dict.fromkeys(FIELDS[1:], empty))
        assert found == candidate()
    assert (found.encoded, found.scheme, found.role) == (None, "", Role.USER)
    assert (found.verified_at, found.created_at, found.terms_version) == (None, None, "")


@pytest.mark.parametrize(("value", "wanted"), [
    (True, NOW), (False, None), ("true", NOW), ("T", NOW), ("1", NOW), ("f", None), ("0", None), ("FALSE", None),
    ("2021-03-04T05:06:07Z", datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC)),
])  # fmt: skip
def test_a_proof_is_a_yes_a_no_or_a_time(value: Any, wanted: datetime | None) -> None:
    assert candidate(email_verified=value).verified_at == wanted


@pytest.mark.parametrize("mark", ["!", "!unusable", "!" + "x" * 40])
def test_djangos_mark_for_no_password_is_none(mark: str) -> None:
    assert candidate(password_hash=mark).encoded is None


@pytest.mark.parametrize(("field", "value", "code"), [
    ("email", "", Code.REQUIRED),
    ("email", None, Code.REQUIRED),
    ("email", 5, Code.WRONG_TYPE),
    ("email", "jane", Code.INVALID),
    ("email", "jane@example.com\u202e", Code.INVALID),
    ("email", "j\x00@example.com", Code.INVALID),
    ("email", "\ud800@example.com", Code.INVALID),
    ("email", f"{'a' * 65}@example.com", Code.INVALID),
    ("password_hash", 5, Code.WRONG_TYPE),
    ("password_hash", "hunter2", Code.HASH_UNKNOWN),
    ("password_hash", BCRYPT[:-3], Code.HASH_MALFORMED),
    ("password_hash", BCRYPT.replace("$05$", "$31$"), Code.HASH_TOO_COSTLY),
    ("display_name", ["Jane"], Code.WRONG_TYPE),
    ("display_name", "J\x00", Code.INVALID),
    ("display_name", "\ud800", Code.INVALID),
    ("display_name", "J" * 101, Code.TOO_LONG),
    ("email_verified", 1, Code.WRONG_TYPE),
    ("email_verified", "maybe", Code.INVALID),
    ("email_verified", "2030-01-01T00:00:00Z", Code.IN_THE_FUTURE),
    ("created_at", 1614834367, Code.WRONG_TYPE),
    ("created_at", True, Code.WRONG_TYPE),
    ("created_at", "2021-03-04T05:06:07", Code.INVALID),  # which zone?
    ("created_at", "2021-03-04", Code.INVALID),
    ("created_at", "yesterday", Code.INVALID),
    ("created_at", "1969-12-31T00:00:00Z", Code.INVALID),
    ("created_at", "0001-01-01T00:00:00+14:00", Code.INVALID),
    ("created_at", "9999-12-31T23:59:59-12:00", Code.IN_THE_FUTURE),
    ("created_at", "2026-11-21T12:00:01Z", Code.IN_THE_FUTURE),
    ("role", "admin", Code.ROLE_REFUSED),
    ("role", "moderator", Code.ROLE_REFUSED),
    ("role", "super_admin", Code.ROLE_REFUSED),
    ("role", "root", Code.INVALID),
    ("terms_version", "v" * 41, Code.TOO_LONG),
])  # fmt: skip
def test_a_field_that_does_not_hold_what_it_takes_refuses_its_row(field: str, value: Any, code: Code) -> None:
    refusal = row(**{field: value})
    assert isinstance(refusal, Refusal)
    assert (refusal.line, refusal.field, refusal.code) == (7, field, code)
    assert refusal.email == (None if field == "email" else "jane@example.com")


def test_a_report_holds_no_hash_and_no_name() -> None:
    refusal = row(password_hash=BCRYPT + "x", display_name="Jane Roe")
    assert json.loads(refusal.as_json()) == {
        "line": 7,
        "field": "password_hash",
        "code": "hash_malformed",
        "detail": WORDS[Code.HASH_MALFORMED],
        "email": "jane@example.com",
    }
    assert "email" not in json.loads(row(email=BCRYPT).as_json())  # a hash in the wrong column
    assert set(WORDS) == set(Code)


def test_the_lines_of_addresses_are_remembered() -> None:
    with remembering() as seen:
        assert [seen.note(f"person{n}@example.com", n) for n in range(1, 2_000)] == [None] * 1_999
        assert seen.note("person3@example.com", 5_000) == 3
        assert seen.note("person1999@example.com", 5_001) == 1_999


@given(st.lists(st.binary(max_size=60) | st.sampled_from([GOOD, b"\n", b'"', b"\xef\xbb\xbf"]), max_size=8))
def test_whatever_the_file_holds_every_line_is_a_row_or_refused(parts: list[bytes]) -> None:
    data = b"".join(parts)
    for kind in FORMATS:
        try:
            found = read(data, kind)
        except Unreadable:
            continue
        assert len(found) <= data.count(b"\n") + 1
        assert all(isinstance(examine(one, NOW), Candidate | Refusal) for one in found if isinstance(one, Row))
