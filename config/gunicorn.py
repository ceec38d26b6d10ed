"""How gunicorn serves: ``gunicorn --config python:config.gunicorn config.wsgi``.

Settings are read before anything is bound, so that a refused start says why in plain lines and ends with status 1.
"""

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config import env, refusals

env.prepare()
try:
    logconfig_dict: dict[str, Any] = settings.LOGGING
except ImproperlyConfigured as refusal:
    sys.exit(str(refusal))

_environment = env.current()

bind = f"{_environment.text('BIND')}:{_environment.number('PORT')}"
workers = _environment.number("WEB_WORKERS")
threads = _environment.number("WEB_THREADS")
worker_class = "gthread"
preload_app = True  # read once and shared by the workers, which open connections of their own
timeout = 30
graceful_timeout = 20  # requests under way are answered before a stop
keepalive = 5
accesslog = None  # gatehouse.requests writes the one line a request
loglevel = "warning"
control_socket_disable = True  # nothing is written outside var/ and /tmp
forwarded_allow_ips = ""  # whom to believe is decided by TRUSTED_PROXIES alone
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - heartbeats belong in memory


def on_starting(server: Any) -> None:
    """Say what is worth a word, once."""
    for warning in refusals.warnings(_environment):
        server.log.warning("%s", warning)
