"""``manage.py audit``: what it prints, and what it tells by its status."""

import io
import json
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command

from audit import checks, conf, sealing, signing
from audit.models import Event
from audit.seals import Seal
from tests.audit import trails
from tests.live import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

SEED = "A" * 43 + "="


@pytest.fixture
def run(capsys):
    """Return a function that runs the command and returns its status and what it printed."""

    def run_it(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        status = 0
        try:
            call_command("audit", *words)
        except SystemExit as end:
            status = end.code
        except CommandError as error:
            return error.returncode, str(error)
        return status, capsys.readouterr().out

    return run_it


def test_seal_says_how_much(run):
    trails.write(3)
    assert run("seal") == (0, "Events sealed: 3, in seals: 1.\n")
    assert run("seal") == (0, "Events sealed: 0, in seals: 0.\n")


def test_seal_asks_to_try_again_where_others_were_quicker(run, monkeypatch):
    def contended():
        raise sealing.ContendedError

    monkeypatch.setattr(sealing, "seal", contended)
    assert run("seal")[0] == 75


def test_verify_names_the_first_wrong_event_and_exits_with_3(run):
    ids = trails.sealed(3, 3)
    bare = "No checkpoint from outside was compared.\n6 events in 2 seals: nothing is wrong.\n"
    assert run("verify") == (0, bare)
    assert json.loads(run("verify", "--format", "json")[1])["outside"] == 0
    trails.tamper(f"DELETE FROM audit_event WHERE id = {ids[0][1]}")

    status, said = run("verify")
    assert status == 3
    assert said.splitlines()[0] == f"removed: event {ids[0][1]}, seal 1: it was sealed and is gone"
    assert said.splitlines()[-1] == "6 events in 2 seals: findings: 1."
    status, said = run("verify", "--format", "json")
    found = json.loads(said)
    assert (status, found["ok"], found["found"]) == (3, False, 1)
    assert found["findings"][0]["event"] == ids[0][1]
    assert run("verify", "--from", "2")[0] == 0


def test_many_findings_are_counted_and_the_first_are_shown(run):
    trails.sealed(30)
    trails.tamper("UPDATE audit_event SET user_id = 'x'")
    status, said = run("verify")
    assert status == 3
    assert "and 10 more" in said
    assert "findings: 30." in said


def test_verify_against_a_file_of_checkpoints(run, tmp_path):
    trails.sealed(2, 2)
    file = tmp_path / "checkpoints.txt"
    assert run("checkpoint", "--to", str(file))[0] == 0
    status, shown = run("checkpoint")
    assert status == 0 and shown == file.read_text().removesuffix("\n")
    assert run("verify", "--checkpoint", str(file)) == (0, "4 events in 2 seals: nothing is wrong.\n")
    trails.tamper(
        "DELETE FROM audit_checkpoint",
        "DELETE FROM audit_event WHERE id IN (SELECT event_id FROM audit_sealedevent WHERE seal_id = 2)",
        "DELETE FROM audit_sealedevent WHERE seal_id = 2",
        "DELETE FROM audit_seal WHERE number = 2",
    )
    assert run("verify")[0] == 0
    status, said = run("verify", "--checkpoint", str(file))
    assert (status, said.splitlines()[0].partition(":")[0]) == (3, "cut")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("verify", "--from", "0"), 2),
        (("verify", "--from", "2", "--checkpoint", "x"), 2),
        (("verify", "--checkpoint", "/nowhere/at/all"), 1),
        (("checkpoint",), 1),
        (("checkpoint", "--to", "/nowhere/at/all"), 1),
        (("prove", "999999999"), 1),
        (("archive",), 2),
        (("archive", "--to", "/nowhere/at/all"), 1),
        (("archive", "--older-than", "soon"), 1),
        (("verify", "--archive", "/nowhere/at/all"), 1),
        (("check-proof", "/nowhere/at/all"), 1),
        (("check-proof", "x", "--public-key", "y"), 2),
    ],
)
def test_what_cannot_be_done_has_its_status(run, words, status, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("{}")
    assert run(*words)[0] == status


def test_archive_says_what_went_where_and_verify_what_it_believed(run, folder, settings):
    event = trails.sealed(2, 2)[0][0]
    settings.AUDIT = settings.AUDIT | {"ARCHIVE_DIR": str(folder), "ARCHIVE_ONLINE": ("ADMIN",)}
    plan = "Would be archived: 4 events in 2 seals; of the events 0 stay online as well.\n"
    assert run("archive", "--dry-run", "--older-than", "0d") == (0, plan)
    assert run("archive") == (0, "Rows removed that lie in the archive: 0.\n")  # nothing is 90 days old
    assert run("archive", "--older-than", "0d")[0] == 0
    (file,) = folder.iterdir()
    assert Event.objects.get(action="audit_archived").actor_type == "command"
    assert not Event.objects.filter(pk=event).exists()

    call_command("audit", "search", str(event), stderr=(said := io.StringIO()))
    assert said.getvalue() == f"Event {event} lies in the archive, in {file.name}: audit prove --archive shows it.\n"

    believed = "Taken on the word of the archive's signed records, no file was read: events that went of seals 1 to 2."
    assert believed in run("verify")[1].splitlines()
    status, said = run("verify", "--archive", str(folder))
    assert status == 0
    assert "Events whose rows went and that were read from the archive: 4." in said.splitlines()
    assert json.loads(run("verify", "--format", "json")[1])["on_word"] == [[1, 2]]
    assert run("prove", str(event)) == (
        1,
        f"Event {event} lies in the archive, in {file.name}: name the folder by --archive.",
    )
    assert f'"id\\":{event}' in run("prove", str(event), "--archive", str(folder))[1].replace('\\"id', '"id')
    file.unlink()
    status, said = run("verify", "--archive", str(folder))
    assert (status, said.splitlines()[0]) == (3, f"archive_file: seal 1: {file.name}: it is not there")


def test_keys_shows_what_verifies_and_nothing_secret(run, settings):
    settings.AUDIT = settings.AUDIT | {"SIGNING_KEY": SEED}
    status, said = run("keys")
    (key,) = signing.public_keys().values()
    assert status == 0
    assert key.key_id in said and key.text in said and key.note_key("testserver/audit") in said
    assert SEED not in said


def test_check_proof_needs_a_file_and_a_public_key_and_nothing_else(run, tmp_path):
    """Neither database nor secrets: in a process of its own, whose settings have none."""
    event = trails.sealed(5)[0][2]
    (key,) = signing.public_keys().values()
    file = tmp_path / "proof.json"
    file.write_text(run("prove", str(event))[1])
    bare = {"ENV_FILE": "", "VAR_DIR": str(tmp_path), "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nowhere"}

    def check(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", "audit", "check-proof", *words]
        return subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, check=False)

    done = check(str(file), "--public-key", key.text)
    assert done.returncode == 0, done.stderr
    assert f"Event {event}" in done.stdout
    file.write_text(file.read_text().replace('\\"user_id\\":\\"2\\"', '\\"user_id\\":\\"3\\"'))
    assert check(str(file), "--public-key", key.text).returncode == 3
    assert check(str(file), "--public-key", SEED).returncode == 3


def test_without_a_key_it_says_which_setting(run, settings):
    trails.write(1)
    settings.AUDIT = settings.AUDIT | {"KEYS": ()}
    assert run("seal") == (1, "AUDIT has no key that signs: neither SIGNING_KEY nor KEYS.")
    assert not Seal.objects.exists()
    assert [fault.id for fault in checks.check_keys(None)] == ["audit.W001"]


@pytest.mark.parametrize(
    "broken", [{"SIGNING_KEY": "short"}, {"SIGNING_KEY": "no base64 !"}, {"PUBLIC_KEYS": ("AAAA",)}]
)
def test_a_key_that_cannot_be_read_is_an_error_at_the_start(settings, broken):
    settings.AUDIT = settings.AUDIT | broken
    (fault,) = checks.check_keys(None)
    assert fault.id == "audit.E005"
    assert next(iter(broken)) in fault.msg


def test_a_production_whose_checkpoints_go_nowhere_is_warned(settings):
    assert checks.check_keys(None) == []
    settings.GATEHOUSE = settings.GATEHOUSE | {"PRODUCTION": True}
    assert [fault.id for fault in checks.check_keys(None)] == ["audit.W002"]
    settings.AUDIT = settings.AUDIT | {"CHECKPOINTS": ("-",)}
    assert checks.check_keys(None) == []
    assert conf.app_settings().CHECKPOINTS == ("-",)
