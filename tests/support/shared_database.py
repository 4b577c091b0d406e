"""One database at head for all tests of a worker that change rows alone: to clone one takes five times as long."""

import psycopg
from psycopg import sql

from tests.support.database import by_driver

# In these every change of a schema or of a setting is a new row, or one row fewer.
_CATALOGS = (
    "pg_attrdef",
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_db_role_setting",
    "pg_event_trigger",
    "pg_extension",
    "pg_index",
    "pg_namespace",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_rewrite",
    "pg_statistic_ext",
    "pg_trigger",
    "pg_type",
)
_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1
"""
# A test may leave behind what runs on and holds a lock; then the database is made anew.
_WAIT_MS = 5_000


class SharedDatabase:
    """A clone of the template; who has it emptied owns it until the next does.

    It stays one only while nothing but rows is changed in it: `emptied` finds out.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        options = f"-c lock_timeout={_WAIT_MS} -c session_replication_role=replica"
        conninfo = by_driver(url, "postgresql")
        self._connection = psycopg.connect(conninfo, autocommit=True, options=options)
        tables = [name for (name,) in self._connection.execute(_TABLES)]
        # What the migrations have written stays, and may not change either.
        filled = [name for name in tables if self._connection.execute(_is_filled(name)).fetchone() is not None]
        kept = [sql.Identifier("pg_catalog", name) for name in _CATALOGS]
        kept += [sql.Identifier("public", name) for name in filled]
        row = self._connection.execute("SELECT pg_current_xact_id()::xid::text").fetchone()
        assert row
        counts = sql.SQL("SELECT count(*), count(*) FILTER (WHERE age(xmin) <= age({}::xid)) FROM {}")
        self._looking = sql.SQL(" UNION ALL ").join(counts.format(sql.Literal(row[0]), table) for table in kept)
        self._emptying = sql.SQL("; ").join(
            sql.SQL("DELETE FROM {}").format(sql.Identifier("public", name)) for name in tables if name not in filled
        )
        self._made = self._seen()

    def emptied(self) -> bool:
        """Delete all rows that tests have stored, and return whether the rest is as it was made."""
        try:
            if self._seen() != self._made:
                return False
            self._connection.execute(self._emptying)
        except psycopg.Error:
            return False
        return True

    def close(self) -> None:
        self._connection.close()

    def _seen(self) -> list[tuple[int, int]]:
        return self._connection.execute(self._looking).fetchall()


def _is_filled(table: str) -> sql.Composed:
    return sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier("public", table))
