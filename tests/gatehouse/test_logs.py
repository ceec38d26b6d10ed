import io
import json
import logging
import sys

import pytest
import structlog

from gatehouse import logs


@pytest.fixture
def lines():
    """A logger whose lines are JSON, and a function that returns them."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.formatter(json=True))
    logger = logging.getLogger("tests.lines")
    logger.handlers, logger.propagate, logger.level = [handler], False, logging.DEBUG

    def written():
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield logger, written
    logger.handlers, logger.propagate = [], True


def test_one_event_is_one_line_whatever_it_holds(lines):
    logger, written = lines
    logger.warning("a\r\nforged\x1b[31m\u2028%s", "b\nc")
    (line,) = written()
    assert line["event"] == "a\\r\\nforged\\x1b[31m\\u2028b\\nc"
    assert (line["level"], line["logger"]) == ("warning", "tests.lines")


def test_an_exception_is_one_line_too(lines):
    logger, written = lines
    try:
        raise RuntimeError("first\nsecond")
    except RuntimeError:
        logger.exception("fault")
    (line,) = written()
    assert "RuntimeError" in line["exception"]


def test_every_line_names_its_request(lines):
    logger, written = lines
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        logger.info("inside")
    assert written()[0]["request_id"] == "r-1"


def test_secrets_are_blanked_by_name_at_any_depth():
    event = {
        "password": "a",
        "new_password": "b",
        "refresh_token": "c",
        "Authorization": "d",
        "cookies": {"x": "e"},
        "code": "123456",
        "headers": {"set-cookie": "f", "accept": "kept"},
        "list": [{"secret": "g"}],
        "status_code": 200,
        "event": "kept",
    }
    redacted = logs.redact(None, "", event)
    assert redacted["headers"] == {"set-cookie": logs.BLANK, "accept": "kept"}
    assert redacted["list"] == [{"secret": logs.BLANK}]
    assert (redacted["status_code"], redacted["event"]) == (200, "kept")
    assert not set("abcdefg") & {value for value in redacted.values() if isinstance(value, str)}


@pytest.mark.parametrize(
    "text",
    [
        "Not Found: /account/verify/" + "A" * 43,
        "Bearer abc.def",
        "got eyJhbGciOi.eyJzdWIi.c2ln there",
        "key ghk_0123456789",
    ],
)
def test_tokens_are_blanked_inside_texts(text):
    assert logs.BLANK in logs.redact(None, "", {"event": text})["event"]


def test_ids_and_hashes_are_kept():
    text = "01890a5d-ac96-774b-bcce-b302099a8057 " + "a" * 64
    assert logs.redact(None, "", {"event": text})["event"] == text


def test_a_file_that_cannot_be_written_gives_way_to_standard_error(tmp_path, monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    handler = logs.FileOrStderr(str(tmp_path / "missing" / "log"))
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.handle(logging.LogRecord("a", logging.INFO, "", 0, "kept", (), None))
    assert stream.getvalue() == "kept\n"


def test_a_file_gets_its_lines(tmp_path):
    config = logs.logging_config(json=True, level="INFO", file=str(tmp_path / "log"))
    assert config["handlers"]["lines"]["filename"] == str(tmp_path / "log")
    handler = logs.FileOrStderr(str(tmp_path / "log"))
    handler.handle(logging.LogRecord("a", logging.INFO, "", 0, "kept", (), None))
    handler.close()
    assert (tmp_path / "log").read_text() == "kept\n"


def test_a_request_is_one_line_without_the_token_of_its_path(site, caplog):
    caplog.set_level(logging.INFO, logger="gatehouse.requests")
    site.get("/token/the-secret-token")
    (record,) = [record for record in caplog.records if record.name == "gatehouse.requests"]
    assert record.msg["route"] == "/token/<str:token>"
    assert (record.msg["status"], record.msg["method"]) == (410, "GET")
    assert "the-secret-token" not in str(record.msg)


def test_a_probe_that_is_well_is_not_worth_a_line(site, caplog):
    caplog.set_level(logging.INFO, logger="gatehouse.requests")
    site.get("/health/live")
    assert not [record for record in caplog.records if record.name == "gatehouse.requests"]
