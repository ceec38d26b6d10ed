"""Hashes of other systems verify with the passwords they were made of, and no other; none comes in that cannot."""

import re

import pytest
from django.contrib.auth.hashers import get_hasher
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from accounts import passwords
from accounts.old_hashes import HashRefused, kept_form
from tests.accounts.foreign_hashes import CUT, HASHES, PLAIN

pytestmark = pytest.mark.unit
every_hash = pytest.mark.parametrize("name", HASHES)
BCRYPT = HASHES["bcrypt-2b"][0]
ARGON2 = HASHES["argon2id"][0]
DJANGO = HASHES["django-pbkdf2"][0]
PASSLIB = HASHES["passlib-pbkdf2"][0]


def refused(given: str) -> str:
    with pytest.raises(HashRefused) as said:
        kept_form(given)
    return said.value.code


@every_hash
def test_a_right_password_gets_argon2id_and_a_wrong_one_nothing(name: str) -> None:
    given, password, scheme = HASHES[name]
    kept = kept_form(given)
    assert kept.scheme == scheme
    right, fresh = passwords.verify(password, kept.encoded)
    assert right and fresh and fresh.startswith("argon2$argon2id$v=19$")
    assert passwords.verify(password, fresh) == (True, None)
    for wrong in (password.upper(), f" {password}", password[:-40] + "x", ""):
        assert passwords.verify(wrong, kept.encoded) == (False, None)


@every_hash
def test_the_form_that_is_kept_comes_in_again_and_stays(name: str) -> None:
    kept = kept_form(HASHES[name][0])
    assert kept_form(kept.encoded) == kept
    assert len(kept.encoded) <= 128
    assert kept.encoded not in repr(kept)


def test_bcrypt_reads_72_bytes_as_it_did_before() -> None:
    encoded = kept_form(HASHES["bcrypt-cut"][0]).encoded
    assert passwords.verify(CUT[:72] + "another end", encoded)[0]  # the same 72 bytes
    assert passwords.verify(CUT[:71] + "è", encoded)[0]  # half of its letter is the same, too
    assert not passwords.verify(CUT[:71] + "€", encoded)[0]
    assert not passwords.verify(CUT[:71], encoded)[0]
    assert not passwords.verify("x" * 72, encoded)[0]


def test_bcrypt_of_a_digest_reads_all_of_it() -> None:
    encoded = kept_form(HASHES["django-bcrypt-sha256"][0]).encoded
    assert not passwords.verify(CUT[:72] + "another end", encoded)[0]


@pytest.mark.parametrize("algorithm", ["bcrypt", "pbkdf2-sha256"])
def test_what_verifies_makes_no_hash(algorithm: str) -> None:
    with pytest.raises(NotImplementedError):
        get_hasher(algorithm).encode(PLAIN, "salt")


def test_new_passwords_are_hashed_by_argon2id_with_the_parameters_of_the_settings() -> None:
    with override_settings(ACCOUNTS={"ARGON2_MEMORY": 64, "ARGON2_TIME": 3, "ARGON2_PARALLELISM": 2}):
        _right, fresh = passwords.verify(PLAIN, kept_form(BCRYPT).encoded)
    assert fresh is not None and fresh.startswith("argon2$argon2id$v=19$m=64,t=3,p=2$")


@pytest.mark.parametrize(("given", "code"), [
    ("$2b$15" + BCRYPT[6:], "hash_too_costly"),
    ("$2b$31" + BCRYPT[6:], "hash_too_costly"),
    ("bcrypt_sha256$$2b$16" + BCRYPT[6:], "hash_too_costly"),
    ("$2b$03" + BCRYPT[6:], "hash_malformed"),
    ("$2b$99" + BCRYPT[6:], "hash_malformed"),
    (DJANGO.replace("$20000$", "$1000000000$"), "hash_too_costly"),
    (DJANGO.replace("$20000$", "$3000001$"), "hash_too_costly"),
    (PASSLIB.replace("$29000$", "$1000000000$"), "hash_too_costly"),
    (DJANGO.replace("$20000$", "$99999999999999$"), "hash_malformed"),
    (ARGON2.replace("m=1024", "m=4194304"), "hash_too_costly"),
    (ARGON2.replace("m=1024", "m=262145"), "hash_too_costly"),
    (ARGON2.replace("t=2", "t=1000000"), "hash_too_costly"),
    (ARGON2.replace("p=2", "p=17"), "hash_too_costly"),
    (ARGON2.replace("m=1024", "m=8"), "hash_malformed"),  # less than its lanes take
])  # fmt: skip
def test_a_hash_that_would_hold_up_a_worker_is_refused(given: str, code: str) -> None:
    assert refused(given) == code


@pytest.mark.parametrize("given", [
    DJANGO.replace("$20000$", "$3000000$"),
    PASSLIB.replace("$29000$", "$1$"),
    "$2y$14" + BCRYPT[6:],
    ARGON2.replace("m=1024,t=2", "m=262144,t=4"),
])  # fmt: skip
def test_what_a_worker_can_bear_comes_in(given: str) -> None:
    assert kept_form(given)


@pytest.mark.parametrize("given", [
    BCRYPT[:-1],
    BCRYPT + "x",
    BCRYPT + "\n",
    BCRYPT[:-1] + "v",  # bits that no checksum has: nothing would ever verify
    BCRYPT[:28] + "v" + BCRYPT[29:],
    BCRYPT.replace("P", "-", 1),
    "bcrypt$" + HASHES["passlib-pbkdf2"][0],
    DJANGO[:-1],
    DJANGO.replace("$20000$", "$0$"),
    DJANGO.replace("$20000$", "$-1$"),
    DJANGO.replace("$20000$", "$２００００$"),
    DJANGO.replace("uBmEWf2neWxkB7S67ZKhiT", ""),
    DJANGO.replace("uBmEWf2neWxkB7S67ZKhiT", "s" * 70),  # longer than the column
    PASSLIB + "A",
    PASSLIB.replace("4ry3VmoN4XzvPUdI6b23Ng", "A"),
    ARGON2[:-1],
    ARGON2.replace("v=19", "v=20"),
    ARGON2.replace("p=2", "p=2,keyid=a"),
    ARGON2.replace("$DByh190F+2F9GC09OTwuDw$", "$c2hvcnQ$"),
    ARGON2.replace("$DByh190F+2F9GC09OTwuDw$", "$DByh190F+2F9GC09OTwuDx$"),  # written in another way than the one
    ARGON2 + "A" * 60,
    "$argon2x$" + ARGON2,
])  # fmt: skip
def test_what_is_cut_or_bent_is_refused(given: str) -> None:
    assert refused(given) == "hash_malformed"


@pytest.mark.parametrize("given", [
    "", "password", "5f4dcc3b5aa765d61d8327deb882cf99", "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
    "pbkdf2_sha1$1000$salt$aGFzaA==", "pbkdf2_sha512$1000$s$aGFzaA==", "$2x$05$abc", "$6$rounds=5000$salt$hash",
    "scrypt$16384$salt$8$5$aGFzaA==", "$scrypt$ln=16$a$b", " " + BCRYPT, "\x00" + BCRYPT, "$", "$$$",
])  # fmt: skip
def test_other_kinds_are_refused(given: str) -> None:
    assert refused(given) == "hash_unknown"


@given(st.sampled_from([given for given, _, _ in HASHES.values()]), st.data())
def test_whatever_comes_in_is_verified_without_an_error(real: str, data: st.DataObject) -> None:
    """One character is another one: the hash is refused, or its owner's password is wrong or right, as it happens."""
    at = data.draw(st.integers(0, len(real) - 1))
    bent = real[:at] + data.draw(st.sampled_from("$./+=Aa1z,é\x00")) + real[at + 1 :]
    try:
        kept = kept_form(bent)
    except HashRefused:
        return
    costs = [int(number) for number in re.findall(r"(?<=[$=,])\d+", kept.encoded)]
    if max(costs) < 100_000 and not re.search(r"\$1[01234]\$", kept.encoded):  # quick enough to be tried
        assert passwords.verify("not the password", kept.encoded) == (False, None)
