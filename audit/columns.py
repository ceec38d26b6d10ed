"""The database's own clock, and "begins with" from an index, alike on every database."""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement
from django.db.models import Index, Model
from django.db.models.functions import Now
from django.db.models.lookups import StartsWith
from django.db.models.sql.compiler import SQLCompiler

# InnoDB keeps at most 3072 bytes of a key, and a character takes up to four.
MARIADB_PREFIX = 255
# Above every character that a text can hold, so that a prefix becomes a range.
LAST = "\U0010ffff"


class DatabaseClock(Now):
    """The time of the database server, in UTC whatever the connection's zone is.

    MariaDB's CURRENT_TIMESTAMP follows the zone of the session, and a host may
    not have set that, so UTC_TIMESTAMP is asked for. SQLite compares times as text:
    the form here is the one Django gives its parameters (six digits, none at a whole
    second), so that ``since`` and ``until`` are exact.
    """

    def as_mysql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **extra)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> tuple[str, Any]:
        now = "STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f', 'NOW')"
        template = f"REPLACE({now} || '000', '.000000', '')"
        return self.as_sql(compiler, connection, template=template, **extra)


class PrefixIndex(Index):
    """An index for "begins with" on one text column.

    PostgreSQL needs ``varchar_pattern_ops`` for LIKE under a language's collation,
    MariaDB a limit for a column wider than a key may be; SQLite needs neither.
    """

    def create_sql(
        self,
        model: type[Model],
        schema_editor: BaseDatabaseSchemaEditor,
        using: str = "",
        **kwargs: Any,
    ) -> Statement:
        statement = super().create_sql(model, schema_editor, using, **kwargs)
        if schema_editor.connection.vendor == "mysql":
            limited: Any = f"{statement.parts['columns']}({MARIADB_PREFIX})"
            statement.parts["columns"] = limited
        return statement


class BeginsWith(StartsWith):
    """Match a prefix exactly, in the form that each database answers from an index.

    PostgreSQL uses LIKE on its pattern index. SQLite's LIKE ignores case and MariaDB's binary
    one ignores the index, so these two get a range over their binary order.
    """

    def as_range(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        column, params = self.process_lhs(compiler, connection)
        sql = f"({column} >= %s AND {column} < %s)"
        return sql, [*params, self.rhs, *params, self.rhs + LAST]

    as_sqlite = as_range
    as_mysql = as_range
