"""Proofs and checkpoints: others check them by the file and the public key, with programs of their own."""

import base64
import hashlib
import json
import smtplib
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.core import mail
from django.db import IntegrityError
from django.utils import timezone

from audit import checkpoints, merkle, proofs, signing
from audit.seals import Checkpoint, Seal
from gatehouse.timetable import Job, Timetable, jobs
from tests.audit import trails

pytestmark = pytest.mark.django_db(transaction=True)


def independent(proof: str, public_key: str) -> bool:
    """Check a proof with a hash, a signature and JSON, and nothing of ours."""
    p = json.loads(proof)
    body = json.dumps(p["seal"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key)).verify(base64.b64decode(p["signature"]), body)
    node, place, last = hashlib.sha256(b"\0" + p["event"].encode()).digest(), p["index"], p["seal"]["count"] - 1
    for other in map(bytes.fromhex, p["path"]):
        left = place % 2 == 1 or place == last
        node = hashlib.sha256(b"\1" + (other + node if left else node + other)).digest()
        while left and place and place % 2 == 0:
            place, last = place // 2, last // 2
        place, last = place // 2, last // 2
    return last == 0 and node.hex() == p["seal"]["root"]


def public_key() -> signing.PublicKey:
    return next(iter(signing.public_keys().values()))


@pytest.fixture
def ids():
    return trails.sealed(1, 7, 3)


@pytest.mark.parametrize("with_log", [False, True])
def test_a_proof_holds_for_a_checker_that_others_wrote(ids, with_log):
    if with_log:
        checkpoints.keep(checkpoints.make(), now=timezone.now())
    for number, seal in enumerate(ids, 1):
        for event in seal:
            proof = proofs.prove(event)
            assert independent(proof, public_key().text)
            proved = proofs.check(proof, signing.public_keys())
            assert (proved.event["id"], proved.seal) == (event, number)
            assert proved.log_size == (3 if with_log else None)


@pytest.mark.parametrize("change", ["event", "index", "path", "count", "signature", "key", "log", "checkpoint", "v"])
def test_a_proof_that_was_changed_holds_no_more(ids, change):
    checkpoints.keep(checkpoints.make(), now=timezone.now())
    proof = json.loads(proofs.prove(ids[1][3]))
    other = json.loads(proofs.prove(ids[2][0]))
    match change:
        case "event":
            proof["event"] = proof["event"].replace('"user_id":"3"', '"user_id":"4"')
        case "index":
            proof["index"] = 4
        case "path":
            proof["path"] = proof["path"][1:]
        case "count":
            proof["seal"]["count"] = 8
        case "signature":
            proof["signature"] = other["signature"]
        case "key":
            proof["seal"]["key_id"] = "0" * 16
        case "log":
            proof["log"]["path"] = other["log"]["path"]
        case "checkpoint":
            proof["log"]["checkpoint"] = proof["log"]["checkpoint"].replace("\n3\n", "\n4\n")
        case "v":
            proof["v"] = 2
    with pytest.raises(proofs.NoProofError):
        proofs.check(json.dumps(proof), signing.public_keys())


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"v": 1, "seal": {}, "event": "5"}', "no json"])
def test_what_is_no_proof_is_said_to_be_none(text):
    with pytest.raises(proofs.NoProofError):
        proofs.check(text, {})


def test_an_event_without_a_seal_and_one_that_was_edited_have_no_proof(ids):
    (fresh,) = trails.write(1)
    with pytest.raises(proofs.NoProofError, match="not sealed yet"):
        proofs.prove(fresh)
    with pytest.raises(proofs.NoProofError, match="not there"):
        proofs.prove(fresh + 1000)
    trails.tamper(f"UPDATE audit_event SET user_id = 'x' WHERE id = {ids[1][0]}")
    with pytest.raises(proofs.NoProofError, match="not what was sealed"):
        proofs.prove(ids[1][0])


def test_a_checkpoint_is_a_signed_note_over_every_seal(ids):
    made = checkpoints.make()
    text, signature = made.note.split("\n\n")
    origin, size, root = text.split("\n")

    assert (origin, size) == ("testserver/audit", "3")
    expected = merkle.root_of(seal.log_leaf for seal in Seal.objects.order_by("number"))
    assert base64.b64decode(root) == expected
    dash, name, encoded = signature.removesuffix("\n").split(" ")
    assert (dash, name) == ("—", origin)
    raw = base64.b64decode(encoded)
    key = public_key()
    assert raw[:4] == hashlib.sha256(name.encode() + b"\n\x01" + key.raw).digest()[:4]
    Ed25519PublicKey.from_public_bytes(key.raw).verify(raw[4:], (text + "\n").encode())
    assert key.note_key(name) == f"{name}+{raw[:4].hex()}+{base64.b64encode(bytes([1]) + key.raw).decode()}"


def test_the_next_checkpoint_goes_on_from_the_last(ids, django_assert_num_queries):
    checkpoints.keep(checkpoints.make(), now=timezone.now())
    trails.sealed(1, 1)
    whole = merkle.root_of(seal.log_leaf for seal in Seal.objects.order_by("number"))
    made = checkpoints.make()
    assert next(checkpoints.read(made.note, signing.public_keys(), "testserver/audit")).root == whole

    Checkpoint.objects.update(full="")  # what was kept is of no use: all is read again
    assert checkpoints.make().note == made.note


def test_a_checkpoint_is_published_each_day_everywhere(ids, settings, tmp_path):
    file = tmp_path / "checkpoints.txt"
    settings.AUDIT = settings.AUDIT | {"CHECKPOINTS": (str(file), "mail:auditor@example.com")}
    now = timezone.now()
    one = checkpoints.publish_daily(now=now)
    trails.sealed(1)
    assert checkpoints.publish_daily(now=now + timedelta(hours=23)) is None
    two = checkpoints.publish_daily(now=now + timedelta(hours=24))

    assert (one.size, two.size) == (3, 4)
    assert [message.to for message in mail.outbox] == [["auditor@example.com"]] * 2
    assert mail.outbox[0].body == one.note
    read = checkpoints.read(file.read_text(), signing.public_keys(), "testserver/audit")
    assert [published.size for published in read] == [3, 4]
    assert trails.verify(notes=[file.read_text()]).ok


def test_a_checkpoint_that_did_not_go_out_is_sent_again(ids, settings, tmp_path):
    settings.AUDIT = settings.AUDIT | {"CHECKPOINTS": (str(tmp_path / "nowhere" / "file"),)}
    with pytest.raises(OSError, match="nowhere"):
        checkpoints.publish_daily(now=timezone.now())
    assert not Checkpoint.objects.exists()
    (tmp_path / "nowhere").mkdir()
    assert checkpoints.publish_daily(now=timezone.now()).size == 3


def test_a_place_that_is_dead_keeps_no_other_from_its_checkpoint(ids, settings, tmp_path):
    file = tmp_path / "checkpoints.txt"
    settings.AUDIT = settings.AUDIT | {"CHECKPOINTS": (str(tmp_path / "nowhere" / "file"), str(file))}
    now = timezone.now()
    with pytest.raises(OSError, match="nowhere"):
        checkpoints.publish_daily(now=now)
    assert "\n3\n" in file.read_text()
    assert checkpoints.publish_daily(now=now + timedelta(hours=1)) is None  # the others are not told again and again


@pytest.mark.parametrize("size", [3, 900])
def test_a_time_to_come_or_a_row_that_is_not_ours_silences_nothing(ids, settings, tmp_path, size):
    file = tmp_path / "checkpoints.txt"
    settings.AUDIT = settings.AUDIT | {"CHECKPOINTS": (str(file),)}
    now = timezone.now()
    if size == 3:
        checkpoints.keep(checkpoints.make(), now=now + timedelta(days=3000))
    else:
        Checkpoint.objects.create(size=size, note="put in by hand", full="", published_at=now)

    assert checkpoints.publish_daily(now=now).size == 3
    assert checkpoints.publish_daily(now=now + timedelta(hours=1)) is None


def test_subtrees_that_were_changed_do_not_get_our_signature(ids):
    checkpoints.keep(checkpoints.make(), now=timezone.now())
    Checkpoint.objects.update(full=" ".join(["00" * 32] * 2))
    trails.sealed(1)

    assert trails.verify(notes=[checkpoints.make().note]).ok


def test_a_bad_checkpoint_does_not_hide_the_next_one(ids):
    good = checkpoints.make().note
    bad = good.replace("\n3\n", "\n2\n")
    trails.tamper("DELETE FROM audit_seal WHERE number = 3")

    assert [finding[0] for finding in trails.found(trails.verify(notes=[bad + "\n" + good]))][:1] == ["checkpoint"]
    assert "cut" in [finding[0] for finding in trails.found(trails.verify(notes=[bad + "\n" + good]))]


def test_where_nothing_is_sealed_or_no_place_is_named_nothing_is_published(settings):
    assert checkpoints.publish_daily(now=timezone.now()) is None
    settings.AUDIT = settings.AUDIT | {"CHECKPOINTS": ("-",)}
    assert checkpoints.publish_daily(now=timezone.now()) is None


def test_the_worker_seals_each_minute_and_goes_on_where_a_job_fails(settings):
    def fail(_now):
        raise smtplib.SMTPException("away")

    now = timezone.now()
    timetable = Timetable([Job(name="x", every=timedelta(minutes=1), piece=fail), *jobs()], now)
    trails.write(2)
    timetable.go_on(now)
    trails.write(1)
    timetable.go_on(now + timedelta(seconds=30))
    assert [seal.count for seal in Seal.objects.all()] == [2]
    timetable.go_on(now + timedelta(seconds=61))
    assert [seal.count for seal in Seal.objects.order_by("number")] == [2, 1]


def test_a_database_that_fails_one_job_is_told_of_once_the_others_are_done():
    def fail(_now):
        raise IntegrityError("taken")

    now = timezone.now()
    timetable = Timetable([Job(name="x", every=timedelta(minutes=1), piece=fail), *jobs()], now)
    trails.write(2)
    with pytest.raises(IntegrityError, match="taken"):
        timetable.go_on(now)
    assert [seal.count for seal in Seal.objects.all()] == [2]


def test_a_job_with_more_to_do_goes_on_at_once(monkeypatch):
    monkeypatch.setattr("audit.sealing.FULL", 2)
    monkeypatch.setattr("audit.timetable.FULL", 2)
    now = timezone.now()
    timetable = Timetable(jobs(), now)
    trails.write(3)
    timetable.go_on(now)
    timetable.go_on(now)
    timetable.go_on(now)
    assert [seal.count for seal in Seal.objects.order_by("number")] == [2, 1]
