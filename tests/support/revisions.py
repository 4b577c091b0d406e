"""Changes for a revision, and what a database says of the revisions that it has."""

from tests.support.database import query

ADD_COLUMN = 'op.execute("ALTER TABLE tags ADD COLUMN weight integer")'
DROP_COLUMN = 'op.execute("ALTER TABLE tags DROP COLUMN weight")'


def history(url: str, *columns: str) -> list[tuple[object, ...]]:
    return query(url, f"SELECT {', '.join(columns)} FROM schema_history ORDER BY id")


def columns_of(url: str, table: str) -> set[object]:
    rows = query(url, "SELECT column_name FROM information_schema.columns WHERE table_name = :t", t=table)
    return {name for (name,) in rows}
