"""Keyed hashes, derived codes and tokens, and secrets at rest."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from gatehouse import hashing
from gatehouse.encryption import DecryptionFailed, decrypt, encrypt, is_current
from gatehouse.ids import uuid7

OLD, NEW = "old-" + "k" * 32, "new-" + "k" * 32


def test_hashes_depend_on_purpose_and_on_where_the_parts_end():
    hashes = {
        hashing.keyed_hash("a", "bc"),
        hashing.keyed_hash("ab", "c"),
        hashing.keyed_hash("a", "b", "c"),
        hashing.keyed_hash("a", "bc", ""),
    }
    assert len(hashes) == 4
    assert all(len(found) == 64 for found in hashes)


def test_a_ring_writes_with_its_first_key_and_finds_by_every_one(settings):
    settings.GATEHOUSE = settings.GATEHOUSE | {"HASH_KEYS": (OLD,)}
    stored = hashing.keyed_hash("token", "x")
    settings.GATEHOUSE = settings.GATEHOUSE | {"HASH_KEYS": (NEW, OLD)}
    assert hashing.keyed_hash("token", "x") != stored
    assert hashing.keyed_hashes("token", "x") == [hashing.keyed_hash("token", "x"), stored]


def test_without_a_key_nothing_is_hashed_or_sealed(settings):
    settings.GATEHOUSE = settings.GATEHOUSE | {"HASH_KEYS": (), "MAIL_KEYS": ("",), "ENCRYPTION_KEYS": ()}
    with pytest.raises(ImproperlyConfigured):
        hashing.keyed_hash("a")
    with pytest.raises(ImproperlyConfigured):
        hashing.derive_code("a", 1, 1)
    with pytest.raises(ImproperlyConfigured):
        encrypt("a", "b")


def test_codes_are_derived_again_from_the_same_row_and_differ_for_another_send():
    row = uuid7()
    assert hashing.derive_code("login", row, 1) == hashing.derive_code("login", row, 1)
    codes = {hashing.derive_code("login", row, send, 9) for send in range(50)}
    assert len(codes) == 50
    assert hashing.derive_code("login", row, 1, 9) != hashing.derive_code("reset", row, 1, 9)
    assert hashing.derive_code("login", row, 1, 9, key=OLD) != hashing.derive_code("login", row, 1, 9)


def test_codes_are_spread_evenly():
    first = [hashing.derive_code("login", row, 1)[0] for row in range(2000)]
    assert all(140 < first.count(digit) < 260 for digit in "0123456789")
    assert {len(hashing.derive_code("login", row, 1)) for row in range(100)} == {6}


def test_tokens_have_43_characters():
    tokens = {
        hashing.new_token(),
        hashing.new_token(),
        hashing.derive_token("a", 1, 1),
        hashing.derive_token("a", 1, 2),
    }
    assert len(tokens) == 4
    assert {len(token) for token in tokens} == {43}


def test_secrets_are_compared_whole():
    assert hashing.same("ä", "ä")
    assert not hashing.same("a", "ab")


def test_what_is_sealed_opens_for_its_context_only():
    sealed = encrypt("JBSWY3DP", "totp:1")
    assert "JBSWY3DP" not in sealed
    assert decrypt(sealed, "totp:1") == "JBSWY3DP"
    assert encrypt("JBSWY3DP", "totp:1") != sealed
    with pytest.raises(DecryptionFailed):
        decrypt(sealed, "totp:2")


@pytest.mark.parametrize("damage", ["", "v1", "v1::", "v2:x:y", "plain", "v1:00000000:AAAA"])
def test_what_is_not_sealed_by_us_does_not_open(damage):
    with pytest.raises(DecryptionFailed):
        decrypt(damage, "totp:1")


@pytest.mark.parametrize("position", [12, 20, -3])
def test_a_changed_letter_is_noticed(position):
    sealed = encrypt("a longer secret text", "c")
    other = "A" if sealed[position] != "A" else "B"
    with pytest.raises(DecryptionFailed):
        decrypt(sealed[:position] + other + sealed[position:][1:], "c")


def test_keys_are_changed_without_losing_anything(settings):
    settings.GATEHOUSE = settings.GATEHOUSE | {"ENCRYPTION_KEYS": (OLD,)}
    sealed = encrypt("secret", "c")
    settings.GATEHOUSE = settings.GATEHOUSE | {"ENCRYPTION_KEYS": (NEW, OLD)}
    assert decrypt(sealed, "c") == "secret"
    assert not is_current(sealed)
    assert is_current(encrypt("secret", "c"))
    settings.GATEHOUSE = settings.GATEHOUSE | {"ENCRYPTION_KEYS": (NEW,)}
    with pytest.raises(DecryptionFailed):
        decrypt(sealed, "c")


def test_ids_sort_by_their_making():
    ids = [uuid7() for _ in range(1000)]
    assert ids == sorted(ids)
    assert {found.version for found in ids} == {7}
    assert type(ids[0]).__module__ == "uuid"
