"""How long a web process waits for a database that has stopped answering, so that it can say 503 within 5 seconds.

Only web requests are in such a hurry. A migration builds indexes, a clean-up removes many rows, the worker has nobody
waiting: they keep the long time-outs of ``config.databases``.
"""

import math
import time
from typing import Any, ClassVar

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus

from config.databases import MYSQL_TIMEOUT

# PostgreSQL: with the pool's wait (DB_POOL_TIMEOUT, 3 s) less than 5, for Django connects once more to end a
# transaction whose connection broke. A server that was silent a moment ago is given less, or the connections left in
# the pool would each use up the whole time.
_ANSWER, _NEXT_ANSWER = 1.5, 0.2
_A_MOMENT = 5.0
# MariaDB: a dead connection is asked whether it lives, or breaks in a transaction, then a new one is tried: twice this.
_MYSQL_ANSWER = 2


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection that gives up on a server which takes questions and answers none.

    libpq itself waits without end: the peer's kernel goes on acknowledging, so neither keepalives nor
    ``tcp_user_timeout`` see that nobody is there any more.
    """

    _silent_at: ClassVar[float] = -math.inf  # when one of this process last got no answer

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for an answer; raise OperationalError, with the connection closed, where none comes in time."""
        if timeout is None:
            timeout = _NEXT_ANSWER if time.monotonic() - self._silent_at < _A_MOMENT else _ANSWER
        try:
            return super().wait(gen, min(interval, timeout), timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # an answer that came now would be taken for that of the next question
                type(self)._silent_at = time.monotonic()
            raise


def hurry(settings: dict[str, Any]) -> None:
    """Let a process with these settings of a database, which it has not used yet, wait no longer than a request may.

    What the operator put into ``DATABASE_URL`` stays. Without a pool PostgreSQL's connections are Django's to make,
    and stay as they are.
    """
    options = settings.get("OPTIONS", {})
    if "pool" in options:
        options["pool"]["connection_class"] = ImpatientConnection
    for name in ("read_timeout", "write_timeout"):
        if options.get(name) == MYSQL_TIMEOUT:
            options[name] = _MYSQL_ANSWER
    if options.get("read_timeout") == _MYSQL_ANSWER:
        options["connect_timeout"] = min(options["connect_timeout"], _MYSQL_ANSWER)
