"""A query of the old database for the rows of one of our tables, and the expressions that it is made of."""

from typing import NamedTuple


class TableCopy(NamedTuple):
    """The rows of one of our tables: `columns` are our names with expressions over `source`, a FROM clause."""

    table: str
    source: str
    columns: dict[str, str]

    def rows(self) -> str:
        """Return the SELECT of the rows in the old database."""
        shown = ", ".join(f"{expression} AS {name}" for name, expression in self.columns.items())
        return f"SELECT {shown} FROM {self.source}"

    def stored(self) -> str:
        """Return the SELECT of the same columns in ours."""
        return f"SELECT {', '.join(self.columns)} FROM {self.table}"


def utc(column: str) -> str:
    """Return the time of a column whose times are UTC without saying so."""
    return f"{column} AT TIME ZONE 'UTC'"


def json_of(column: str, kind: str = "jsonb") -> str:
    """Return the JSON of a column; NULL for JSON's null, which the old backend stores where nothing is meant."""
    return f"nullif({column}::text, 'null')::{kind}"


def columns_of(alias: str, names: str, **others: str) -> dict[str, str]:
    """Return the expressions of columns that keep their names, and after them those that do not."""
    same = {name: utc(f"{alias}.{name}") if name.endswith("_at") else f"{alias}.{name}" for name in names.split()}
    return {**same, **others}


def copy_of(table: str, source: str, columns: dict[str, str], organization: str) -> TableCopy:
    """Return the copy of a table whose rows belong to the organization of this expression."""
    return TableCopy(table, source, {**columns, "organization_id": organization})
