"""The form of API keys, which scanners for leaks and the door both go by."""

import re
import zlib

import pytest

from gatehouse import apikeys, logs

pytestmark = pytest.mark.unit

KNOWN = "ghk_" + "a" * 12 + "B" * 32  # a key as somebody else would make one, by the rule in docs/api-keys.md


def base62(number: int) -> str:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    return "".join(digits[number // 62**place % 62] for place in range(5, -1, -1))


def test_a_key_has_the_form_that_the_docs_give_to_scanners() -> None:
    text = apikeys.new().text()
    assert re.fullmatch(r"ghk_[0-9A-Za-z]{50}", text)
    assert text[-6:] == base62(zlib.crc32(text[:-6].encode()))


def test_a_key_is_read_back_and_its_id_is_its_beginning() -> None:
    key = apikeys.new()
    assert apikeys.read(key.text()) == key
    assert key.text().startswith(key.public_id) and len(key.public_id) == 16


def test_the_checksum_is_the_crc_in_base_62() -> None:
    key = apikeys.read(KNOWN + base62(zlib.crc32(KNOWN.encode())))
    assert key == apikeys.KeyText("ghk_" + "a" * 12, "B" * 32)


@pytest.mark.parametrize("place", [0, 4, 15, 16, 47, 48, 53])
def test_one_wrong_character_anywhere_is_seen(place: int) -> None:
    text = apikeys.new().text()
    other = "0" if text[place] != "0" else "1"
    assert apikeys.read(text[:place] + other + text[place + 1 :]) is None


@pytest.mark.parametrize("change", ["", "ghk_", "{}x", "x{}", "{}\n", " {}", "{}\x00", "{}é"])
def test_what_is_longer_shorter_or_other_text_is_no_key(change: str) -> None:
    assert apikeys.read(change.format(apikeys.new().text())) is None


def test_two_keys_share_nothing() -> None:
    drawn = [apikeys.new() for _ in range(200)]
    assert len({key.public_id for key in drawn}) == len({key.secret for key in drawn}) == 200


def test_j10_neither_repr_nor_the_log_shows_a_secret() -> None:
    key = apikeys.new()
    assert key.secret not in f"{key!r} {key} {[key]}"
    assert key.secret not in logs.redact(None, "", {"event": f"sent {key.text()} twice"})["event"]
