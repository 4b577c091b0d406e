"""What must be true of the rows before a unique index, a check or a foreign key is made over them.

The server finds a row that breaks it only while it works, and a unique index that it cannot build stays, invalid.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

from ..drift.catalogue import Constraint, Index
from ..revisions.requirements import Requirement
from ..sql.alter_table import NULL_COUNTS
from ..sql.cursor import Cursor
from ..sql.quoting import quote
from ..sql.tokens import Word, statements_of

_FIND = "The query of `requires` in the revision's file finds them: correct them, and run it again"


def rows_are_distinct(index: Index) -> tuple[Requirement, ...]:
    """Return that no two rows are the same in a unique index; nothing for another index."""
    return (_distinct(index.table, f"the unique index {index.name}", index.definition),) if index.unique else ()


def rows_satisfy(constraint: Constraint) -> tuple[Requirement, ...]:
    """Return that every row satisfies the constraint, as far as it is one of which a query can tell."""
    made = _BY_TYPE.get(constraint.type) if not constraint.definition.endswith("NOT ENFORCED") else None
    found = made(constraint) if made else None
    return (found,) if found else ()


def _unique(constraint: Constraint) -> Requirement | None:
    if constraint.index_definition is None:
        return None
    return _distinct(constraint.table, f"the constraint {constraint.name}", constraint.index_definition)


def _distinct(table: str, refusing: str, definition: str) -> Requirement:
    (statement,) = statements_of(definition)
    cursor = Cursor(statement.words)
    keys = [_key(part.left, statement.text) for part in cursor.group().parts()]
    conditions = [] if cursor.has(*NULL_COUNTS) else [f"{key} IS NOT NULL" for key in keys]
    where = next((word for word in cursor.left if word.keyword == "WHERE"), None)
    if where:
        conditions.insert(0, f"({statement.text[where.end :].strip()})")
    names = ", ".join(keys)
    found = f"SELECT {names} FROM {quote(table)}"  # noqa: S608 - names
    found += f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return _none_of(f"{found} GROUP BY {names} HAVING count(*) > 1", f"several rows of {table} are equal in {refusing}")


def _key(words: Sequence[Word], text: str) -> str:
    """Return an index's column or expression with its collation, without its operator class and its order."""
    depth, end = 0, 0
    for end, (word, after) in enumerate(pairwise([*words, None])):  # noqa: B007 - used behind the loop
        assert word is not None
        depth += {"(": 1, ")": -1}.get(word.keyword, 0)
        goes_on = word.keyword == "." or (after is not None and after.keyword in {"(", "."})
        if not depth and not goes_on:
            break
    behind = Cursor(words[end + 1 :])
    if behind.skip("COLLATE"):
        behind.name()
        end = len(words) - len(behind.left) - 1
    return text[words[0].start : words[end].end]


def _checked(constraint: Constraint) -> Requirement:
    (statement,) = statements_of(constraint.definition)
    condition = Cursor(statement.words).group().left
    text = statement.text[condition[0].start : condition[-1].end]
    found = f"SELECT * FROM {quote(constraint.table)} WHERE NOT ({text})"  # noqa: S608 - the models' own
    return _none_of(found, f"rows of {constraint.table} do not satisfy the check {constraint.name}")


def _referring(constraint: Constraint) -> Requirement | None:
    (statement,) = statements_of(constraint.definition)
    cursor = Cursor(statement.words)
    own = cursor.group().column_names()
    # Behind REFERENCES.
    referred = statement.text[cursor.left[1].start : _start_of_group(cursor.left)].strip()
    others = cursor.group().column_names()
    if not own or len(own) != len(others):
        return None
    table, is_full = quote(constraint.table), cursor.comes("MATCH", "FULL")
    columns = [f"{table}.{quote(name)}" for name in own]
    pairs = zip(columns, map(quote, others), strict=True)
    is_set = (" OR " if is_full else " AND ").join(f"{column} IS NOT NULL" for column in columns)
    is_there = " AND ".join(f"referred.{other} = {column}" for column, other in pairs)
    found = (
        f"SELECT * FROM {table} WHERE ({is_set})"  # noqa: S608 - names
        f" AND NOT EXISTS (SELECT FROM {referred} AS referred WHERE {is_there})"
    )
    return _none_of(found, f"rows of {constraint.table} refer to what the foreign key {constraint.name} does not find")


def _start_of_group(words: Sequence[Word]) -> int:
    return next(word.start for word in words if word.keyword == "(")


def _none_of(rows: str, why: str) -> Requirement:
    return Requirement(f"SELECT NOT EXISTS ({rows})", f"{why}. {_FIND}")


_BY_TYPE: dict[str, Callable[[Constraint], Requirement | None]] = {
    "u": _unique,
    "p": _unique,
    "c": _checked,
    "f": _referring,
}
