"""How long a web process waits for a database that has stopped answering, so that it can say 503 within 5 seconds.

Only web requests are in such a hurry. A migration builds indexes, a clean-up removes many rows, the worker has nobody
waiting: they keep the long time-outs of ``config.databases``.
"""

from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus

from config.databases import CONNECT_TIMEOUT, MYSQL_TIMEOUT, POSTGRESQL

# PostgreSQL: an answer, then a connection to end the broken transaction with (DB_POOL_TIMEOUT, 2 s, and the check that
# began before it was over): less than 5. A check has nothing to work out or to wait for.
_ANSWER, _CHECK = 2.2, 0.4
_CONNECT = 2  # without a pool it is this connection that is waited for; the driver takes no less
# MariaDB: a dead connection is asked whether it lives, or breaks in a transaction, then a new one is tried: twice this.
_MYSQL_ANSWER = 2


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection that gives up on a server which takes questions and answers none.

    libpq itself waits without end: the peer's kernel goes on acknowledging, so neither keepalives nor
    ``tcp_user_timeout`` see that nobody is there any more.
    """

    _patience = _ANSWER

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> psycopg.Cursor[Any]:
        """Run *query*; the empty one is the pool's, which asks whether this connection still lives."""
        self._patience = _ANSWER if query else _CHECK
        try:
            return super().execute(query, *args, **kwargs)
        finally:
            self._patience = _ANSWER

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for an answer; raise OperationalError, with the connection closed, where none comes in time."""
        timeout = self._patience if timeout is None else timeout
        try:
            return super().wait(gen, min(interval, timeout), timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()  # an answer that came now would be taken for that of the next question
            raise


class ImpatientDriver:
    """psycopg, but for the class of its connections, which Django has no setting for where there is no pool."""

    connect = ImpatientConnection.connect

    def __getattr__(self, name: str) -> Any:
        return getattr(psycopg, name)


def hurry(settings: dict[str, Any]) -> None:
    """Let a process with these settings of a database, which it has not used yet, wait no longer than a request may.

    What the operator put into ``DATABASE_URL`` stays.
    """
    options = settings.get("OPTIONS", {})
    if "pool" in options:
        options["pool"]["connection_class"] = ImpatientConnection
    elif settings["ENGINE"] == POSTGRESQL:
        settings["ENGINE"] = "config.impatient"
        if options.get("connect_timeout") == CONNECT_TIMEOUT:
            options["connect_timeout"] = _CONNECT
    for name in ("read_timeout", "write_timeout"):
        if options.get(name) == MYSQL_TIMEOUT:
            options[name] = _MYSQL_ANSWER
    if options.get("read_timeout") == _MYSQL_ANSWER:
        options["connect_timeout"] = min(options["connect_timeout"], _MYSQL_ANSWER)
