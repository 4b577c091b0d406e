"""Whether each row carries the organization that it is of, by what it refers to."""

from collections.abc import Iterator

from app.models import metadata
from tests.support.database import query

ORGANIZATION = "organization_id"
CARRYING = [table for table in metadata.sorted_tables if ORGANIZATION in table.columns]


def _asked() -> Iterator[str]:
    for table in CARRYING:
        yield f"SELECT 'rows of nobody in {table.name}' FROM {table.name} WHERE {ORGANIZATION} IS NULL"
        for key in table.foreign_keys:
            other = key.column.table
            if ORGANIZATION in other.columns:
                yield (
                    f"SELECT '{table.name}.{key.parent.name}' FROM {table.name} AS it"
                    f" JOIN {other.name} AS other ON other.{key.column.name} = it.{key.parent.name}"
                    f" WHERE it.{ORGANIZATION} <> other.{ORGANIZATION}"
                )


def astray(database_url: str) -> set[str]:
    """The references that lead from rows of one organization to another's, and where there are rows of none."""
    return {str(what) for (what,) in query(database_url, " UNION ALL ".join(_asked()))}
