"""The image and the compose file cannot be built everywhere, so what they say is read, and what they run is run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from config.lifetimes import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = ("migrate", "web", "worker")
SECRET_NAMES = re.compile("SECRET|_KEY|PASSWORD")


def run(words, **env):
    """Run a command of a container with this environment's programs."""
    program = {"python": sys.executable, "gunicorn": str(Path(sys.executable).parent / "gunicorn")}[words[0]]
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}} | {"ENV_FILE": ""}
    return subprocess.run(
        [program, *words[1:]], cwd=ROOT, env=clean | env, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_image_is_built_in_stages_and_runs_without_rights():
    stages = re.findall(r"^FROM (\S+)(?: AS (\w+))?$", DOCKERFILE, re.MULTILINE)
    assert [name for _, name in stages] == ["packages", "static", ""]
    last = DOCKERFILE[DOCKERFILE.rindex("FROM ") :]
    assert re.search(r"^USER 10001$", last, re.MULTILINE)
    assert re.search(r'^HEALTHCHECK .*CMD \["python", "-m", "config.healthcheck"\]$', last, re.MULTILINE)
    assert re.search(r"^CMD \[", last, re.MULTILINE)


def test_the_image_holds_no_secret_and_installs_by_hash():
    assert "--require-hashes" in DOCKERFILE
    assert not re.search(r"(SECRET|PASSWORD|_KEY)\w*=", DOCKERFILE)


def test_only_what_runs_goes_into_the_image():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert {name for name in allowed if not (ROOT / name).exists()} == set()
    assert not allowed & {".env", "var", "tests", ".git"}


def test_every_part_is_there_and_looked_after():
    assert set(SERVICES) == {"postgres", "redis", *OURS}
    for name, service in SERVICES.items():
        assert service["healthcheck"]["test"][0] == "CMD", name


@pytest.mark.parametrize("name", OURS)
def test_ours_run_on_a_read_only_root_without_rights(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["tmpfs"] == ["/tmp"]


@pytest.mark.parametrize("name", OURS)
def test_ours_are_told_only_what_is_read(name):
    assert {variable for variable in SERVICES[name]["environment"] if variable not in VARIABLES} == set()
    assert SERVICES[name]["environment"]["ENVIRONMENT"] == "production"


def test_no_secret_has_a_default():
    for service in SERVICES.values():
        for name, value in (service.get("environment") or {}).items():
            if SECRET_NAMES.search(name) or "://gatehouse:" in str(value):
                assert re.search(r"\$\{POSTGRES_PASSWORD:\?", str(value)), name


def test_web_and_worker_wait_for_the_tables():
    for name in ("web", "worker"):
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert SERVICES["migrate"]["depends_on"]["postgres"] == {"condition": "service_healthy"}


def test_a_command_exists(tmp_path):
    done = run([*SERVICES["worker"]["command"], "--help"], VAR_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_the_one_that_migrates_makes_the_tables_and_the_key_that_is_set(tmp_path):
    shell, flags, line = SERVICES["migrate"]["command"]
    assert (shell, flags) == ("sh", "-ec")  # -e: what fails stops the rest, and web and worker with it
    said = ""
    for words in line.split("; "):
        done = run(words.split(), VAR_DIR=str(tmp_path), SIGNING_ALGORITHM="EdDSA")
        assert done.returncode == 0, done.stderr
        said += done.stdout
    assert "was made for EdDSA and signs from now on." in said


def test_gunicorn_takes_the_configuration(tmp_path):
    done = run([*SERVICES["web"]["command"], "--check-config"], VAR_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_the_static_files_are_collected_as_the_image_does_it(tmp_path):
    words = re.search(r"config\.settings\.build (python manage\.py collectstatic .+)$", DOCKERFILE, re.MULTILINE)
    assert words is not None
    done = run([*words[1].split(), "--dry-run"], DJANGO_SETTINGS_MODULE="config.settings.build", VAR_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_the_healthcheck_says_no_where_nothing_answers(tmp_path):
    done = run(["python", "-m", "config.healthcheck"], PORT="1", VAR_DIR=str(tmp_path))
    assert (done.returncode, done.stderr) == (1, "")
