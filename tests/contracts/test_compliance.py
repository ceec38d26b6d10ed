"""Each row of the page that reviewers read names what answers it, and all of that is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/compliance.md").read_text()
ROWS = [line.strip("|").split(" | ") for line in PAGE.splitlines() if re.match(r"\| (V16|CC7|\d)", line)]
ASVS = {f"V16.{section}.{number}" for section, last in ((1, 1), (2, 5), (3, 4), (4, 3), (5, 4)) for number in
        range(1, last + 1)}  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip())
def test_a_row_names_what_answers_it_and_that_is_there(row: list[str]) -> None:
    said, where = row[2], row[3]
    paths = re.findall(r"`([\w/.]+\.py)(?:::\w+)?`", where)
    pages = re.findall(r"\]\(([\w/.-]+)(?:#[\w-]+)?\)", where)
    assert said.strip() and (paths or pages)
    assert [path for path in paths if not (ROOT / path).is_file()] == []
    assert [page for page in pages if not (ROOT / "docs" / page).is_file()] == []
    for path, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", where):
        assert re.search(rf"^ *def {test}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{test}"


def test_every_part_of_the_three_catalogues_has_its_row() -> None:
    named = {row[0].strip() for row in ROWS}
    assert named >= ASVS | {f"CC7.{number}" for number in range(1, 6)}
    assert {f"5(1)({letter})" for letter in "abcdef"} | {"5(2)", "17(1)", "17(3)", "30(1)"} <= named
