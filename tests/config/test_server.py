"""What script/server starts: it says where it is, stops whole, and says clearly why it cannot start."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
READY = "Ctrl-C stops it"
pytestmark = pytest.mark.flow


class Server:
    def __init__(self, folder, **env):
        self.out = folder / "out.txt"
        clean = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
        self.env = clean | {
            "ENV_FILE": "",
            "VAR_DIR": str(folder),
            "DATABASE_URL": f"sqlite:///{folder}/site.sqlite3",
            **env,
        }
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "script/serve.py"], cwd=ROOT, env=self.env, stdout=out, stderr=out
            )

    @property
    def said(self):
        return self.out.read_text()

    def wait_until(self, text, seconds=40):
        end = time.monotonic() + seconds
        while text not in self.said:
            assert time.monotonic() < end and self.process.poll() is None, self.said
            time.sleep(0.1)

    def children(self):
        listed = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return {
            ("worker" if "manage.py" in line else "web"): int(line.split()[0]) for line in listed.stdout.splitlines()
        }

    def stop(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.process.wait(timeout=30)


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server(tmp_path, port):
    started = []

    def start(**env):
        started.append(Server(tmp_path, **({"PORT": str(port)} | env)))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop(signal.SIGTERM)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_it_says_where_it_is_and_stops_all_it_started(server, port, number):
    one = server()
    one.wait_until(READY)
    address = f"http://127.0.0.1:{port}"
    for line in (f"Open         {address}/", f"Staff area   {address}/admin/", f"{address}/dev/mail/"):
        assert line in one.said
    assert urllib.request.urlopen(f"{address}/account/login", timeout=5).status == 200
    assert urllib.request.urlopen(f"{address}/dev/mail/", timeout=5).status == 200
    children = one.children()
    assert set(children) == {"web", "worker"}
    assert one.stop(number) == 0
    assert not any(is_alive(pid) for pid in children.values())
    assert "Traceback" not in one.said


@pytest.mark.parametrize("name", ["web", "worker"])
def test_it_stops_whole_when_a_part_dies(server, name):
    one = server()
    one.wait_until(READY)
    children = one.children()
    os.kill(children[name], signal.SIGKILL)
    assert one.process.wait(timeout=30) == 1
    assert f"The {name} process ended by itself" in one.said
    assert not any(is_alive(pid) for pid in children.values())


def test_a_second_start_is_quick(server):
    first = server()
    first.wait_until(READY)
    first.stop()
    started = time.monotonic()
    server().wait_until(READY)
    assert time.monotonic() - started < 5 * float(os.environ.get("TEST_PATIENCE", "6"))  # 5 s on a machine at rest


def test_a_wrong_value_is_a_clear_word(server):
    one = server(PORT="0")
    assert one.process.wait(timeout=20) == 1
    assert "PORT  must be a whole number, 1 or more." in one.said


def test_a_port_in_use_is_a_clear_word(server, port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        one = server()
        assert one.process.wait(timeout=20) == 1
    assert f"Port {port} on 127.0.0.1 cannot be used" in one.said
    assert f"PORT={port + 1} script/server" in one.said
    assert "Traceback" not in one.said


def test_a_database_that_does_not_answer_is_a_clear_word(server):
    one = server(DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing", DB_POOL_TIMEOUT="1s")
    assert one.process.wait(timeout=30) == 1
    assert "Look at DATABASE_URL" in one.said
    assert "Traceback" not in one.said


def test_the_algorithm_of_tokens_is_set_and_nothing_else_is_done(server, port):
    one = server(SIGNING_ALGORITHM="EdDSA")
    one.wait_until(READY)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/.well-known/jwks.json", timeout=5) as answer:
        assert [key["alg"] for key in json.load(answer)["keys"]] == ["EdDSA"]
    assert "was made for EdDSA and signs from now on." in one.said
    one.stop()
    again = server(SIGNING_ALGORITHM="EdDSA")
    again.wait_until(READY)
    assert "was made for" not in again.said


def test_l25_another_encryption_key_is_a_clear_word(server):
    one = server(SIGNING_ALGORITHM="EdDSA")
    one.wait_until(READY)
    one.stop()
    again = server(SIGNING_ALGORITHM="EdDSA", ENCRYPTION_KEY="another-encryption-key-of-this-length")
    assert again.process.wait(timeout=30) == 1
    assert "Look at ENCRYPTION_KEY." in again.said
    assert "Traceback" not in again.said


def test_mails_go_where_email_url_says(server):
    one = server(EMAIL_URL="smtp://127.0.0.1:2525")
    one.wait_until(READY)
    assert "Mails go     out through 127.0.0.1:2525" in one.said
