"""How logs are written: one event, one line, nothing secret in it.

1. Names that hold secrets are blanked wherever they come; tokens are blanked inside texts too, as in a path that
   Django logs (ASVS 16.2.5).
2. Control characters are escaped, so nobody writes a second line or moves a terminal's cursor (ASVS 16.4.1).
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from logging.handlers import WatchedFileHandler
from typing import Any

import structlog
from structlog.typing import Processor

BLANK = "[redacted]"
_SECRET_NAMES = re.compile(
    r"pass(word|wd|phrase)|secret|token|authori[sz]ation|cookie|credential|csrf|api_?key|otp|^code$|recovery_codes?",
    re.IGNORECASE,
)
_SECRET_TEXTS = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*"  # a JWT
    r"|(?<=bearer )\S+"
    r"|(?<![\w-])[\w-]{43}(?![\w-])"  # a token of ours, as in the path of a link
    r"|ghk_[\w-]+",
    re.IGNORECASE,
)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def logging_config(*, json: bool, level: str = "INFO", file: str = "") -> dict[str, Any]:
    """Return Django's ``LOGGING``, and set structlog up to write through it.

    Lines are JSON for machines or plain text for people. *file* names a log file besides the standard error;
    where it cannot be written, its lines go to the standard error.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = {"class": "logging.StreamHandler", "formatter": "lines"}
    if file:
        handler = {"()": "gatehouse.logs.FileOrStderr", "filename": file, "formatter": "lines"}
    inherit = {"handlers": [], "propagate": True}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": "gatehouse.logs.formatter", "json": json}},
        "handlers": {"lines": handler},
        "root": {"handlers": ["lines"], "level": level},
        "loggers": {
            "django": {**inherit, "level": level},
            "django.request": {**inherit, "level": "ERROR"},  # refusals have their line from RequestLogMiddleware
            "django.server": {**inherit, "level": "ERROR"},
        },
    }


def formatter(*, json: bool) -> structlog.stdlib.ProcessorFormatter:
    """Return the formatter that writes structlog's events and everybody else's records alike."""
    renderer: Processor = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            escape_controls,
            renderer,
        ],
    )


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blank what is secret, by the name it has or the shape it has."""
    return {name: _redacted(name, value) for name, value in event.items()}


def escape_controls(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write control characters as escapes, so that one event is one line."""
    return {_escaped(name): _escaped(value) for name, value in event.items()}


class FileOrStderr(WatchedFileHandler):
    """A log file that may be rotated from outside; a line that cannot be written goes to the standard error."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename, encoding="utf-8", delay=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Write *record*, also where the file or its directory went away."""
        try:
            super().emit(record)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (the name is logging's)
        """Write *record* to the standard error."""
        print(self.format(record), file=sys.stderr)  # noqa: T201  (the last resort of logging itself)


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _redacted(name: str, value: Any) -> Any:
    if _SECRET_NAMES.search(str(name)):
        return BLANK
    if isinstance(value, str):
        return _SECRET_TEXTS.sub(BLANK, value)
    if isinstance(value, Mapping):
        return {str(key): _redacted(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_redacted("", item) for item in value]
    return value


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), value)
    if isinstance(value, Mapping):
        return {_escaped(str(key)): _escaped(item) for key, item in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list) else value
