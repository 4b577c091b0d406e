"""What the SQL of the earlier revisions, and of one revision so far, tells about the schema."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from alembic.script import Script

from ..phase import Phase
from ..revisions.loading import phase_of
from ..sql.effect import Effect, Kind
from ..sql.reader import offline_sql, read_statement
from ..sql.tokens import Statement, UnreadableSqlError, statements_of

Rows = frozenset[tuple[str, ...]]
Parts = tuple[str, ...]


@dataclass(frozen=True)
class KnownSchema:
    """Rows of names, whose parts `_PARTS` names: what this revision has made, and then what all revisions have.

    `tables`, `columns`, `defaults`, `constraints` and `others` are what this revision has made. `checks` are the
    constraints CHECK (column IS NOT NULL) with their columns, `valid` the constraints that hold for every row,
    `required` the columns that are NOT NULL, `unique` the unique indexes.
    """

    tables: Rows = frozenset()
    columns: Rows = frozenset()
    defaults: Rows = frozenset()
    constraints: Rows = frozenset()
    others: Rows = frozenset()
    checks: Rows = frozenset()
    valid: Rows = frozenset()
    required: Rows = frozenset()
    unique: Rows = frozenset()

    def at_next_revision(self) -> "KnownSchema":
        return KnownSchema(checks=self.checks, valid=self.valid, required=self.required, unique=self.unique)

    def has_valid_check(self, table: str, column: str | None) -> bool:
        """Return whether a validated CHECK says that the column is not NULL."""
        return any((table, name) in self.valid for of, name, checked in self.checks if (of, checked) == (table, column))

    def is_superfluous(self, table: str, constraint: str | None) -> bool:
        """Return whether the constraint is CHECK (column IS NOT NULL) of a column that is NOT NULL."""
        return any(
            (of, column) in self.required for of, name, column in self.checks if (of, name) == (table, constraint)
        )

    def has_old_unique(self, index: str | None) -> bool:
        """Return whether an earlier revision has made this index, and made it unique."""
        return any(name == index for _, name in self.unique - self.constraints)

    def after(self, effect: Effect) -> "KnownSchema":
        rows: dict[str, Rows] = {field: getattr(self, field) for field in _PARTS}
        for field, parts in _LOSES.get(effect.kind, {}).items():
            rows[field] = frozenset(row for row in rows[field] if not _is_of(effect, field, row, parts))
        for field, parts in _RENAMES.get(effect.kind, {}).items():
            rows[field] = frozenset(_renamed(effect, field, row, parts) for row in rows[field])
        for field in () if effect.may_exist else _GAINS.get(effect.kind, ()):
            rows[field] |= {tuple(_named(effect, part) for part in _PARTS[field])}
        return replace(self, **rows)


_TABLE = ("table",)
_COLUMN = ("table", "column")
_NAME = ("table", "name")
# An index is named without its table.
_INDEX = ("name",)
_OBJECT = ("object",)
_PARTS: dict[str, Parts] = {
    "tables": _TABLE,
    "columns": _COLUMN,
    "defaults": _COLUMN,
    "constraints": _NAME,
    "others": _OBJECT,
    "checks": (*_NAME, "column"),
    "valid": _NAME,
    "required": _COLUMN,
    "unique": _NAME,
}


def _with(parts: Parts) -> dict[str, Parts]:
    """Return every field whose rows have these parts, by which a row is found."""
    return {field: parts for field, of in _PARTS.items() if set(parts) <= set(of)}


_INDEXES: dict[str, Parts] = {"unique": _INDEX, "constraints": _INDEX}
# The fields that gain a row by each kind of effect.
_GAINS: dict[Kind, tuple[str, ...]] = {
    Kind.CREATE_TABLE: ("tables",),
    Kind.CREATE_OTHER: ("others",),
    Kind.ADD_COLUMN: ("columns",),
    Kind.SET_DEFAULT: ("defaults",),
    Kind.SET_NOT_NULL: ("required",),
    Kind.ADD_CONSTRAINT: ("constraints",),
    Kind.ADD_NOT_NULL_CHECK: ("constraints", "checks"),
    Kind.ADD_UNIQUE_INDEX: ("constraints", "unique"),
    Kind.VALIDATE: ("valid",),
}
# The fields that lose the rows with the same parts as the effect.
_LOSES: dict[Kind, dict[str, Parts]] = {
    Kind.DROP_TABLE: _with(_TABLE),
    Kind.DROP_COLUMN: _with(_COLUMN),
    Kind.DROP_DEFAULT: {"defaults": _COLUMN},
    Kind.DROP_NOT_NULL: {"required": _COLUMN},
    Kind.DROP_CONSTRAINT: _with(_NAME),
    Kind.DROP_INDEX: _INDEXES,
    # Until VALIDATE comes: an earlier constraint of the name was valid, and is gone with its column or table.
    Kind.ADD_CONSTRAINT: {"valid": _NAME},
    Kind.ADD_NOT_NULL_CHECK: {"valid": _NAME},
}
# The fields whose rows get a new name in the last of these parts.
_RENAMES: dict[Kind, dict[str, Parts]] = {
    Kind.RENAME_TABLE: _with(_TABLE),
    Kind.RENAME_COLUMN: _with(_COLUMN),
    Kind.RENAME_CONSTRAINT: _with(_NAME),
    Kind.RENAME_INDEX: _INDEXES,
}


def _named(effect: Effect, part: str) -> str:
    return effect.table if part == "object" else getattr(effect, part) or ""


def _is_of(effect: Effect, field: str, row: tuple[str, ...], parts: Parts) -> bool:
    of = dict(zip(_PARTS[field], row, strict=True))
    return all(of[part] == _named(effect, part) for part in parts)


def _renamed(effect: Effect, field: str, row: tuple[str, ...], parts: Parts) -> tuple[str, ...]:
    if not _is_of(effect, field, row, parts):
        return row
    new = effect.renamed_to or ""
    return tuple(new if part == parts[-1] else name for part, name in zip(_PARTS[field], row, strict=True))


@dataclass(frozen=True)
class Change:
    """One effect of a statement, and the schema as it was known before."""

    statement: Statement
    effect: Effect
    before: KnownSchema

    @property
    def is_of_new_table(self) -> bool:
        return (self.effect.table,) in self.before.tables


@dataclass(frozen=True)
class ParsedRevision:
    """One revision with its statements and changes; `sql` is None if it cannot be known without a database."""

    script: Script
    phase: Phase
    sql: str | None
    statements: tuple[Statement, ...]
    changes: tuple[Change, ...]


def parse_revisions(revisions: Iterable[Script]) -> Iterator[ParsedRevision]:
    """Parse the revisions, which come oldest first, and yield them."""
    known = KnownSchema()
    for script in revisions:
        sql = offline_sql(script)
        known = known.at_next_revision()
        statements = _statements(sql)
        changes = []
        for statement in statements:
            for effect in read_statement(statement):
                changes.append(Change(statement, effect, known))
                known = known.after(effect)
        yield ParsedRevision(script, phase_of(script), sql, statements, tuple(changes))


def _statements(sql: str | None) -> tuple[Statement, ...]:
    try:
        return tuple(statements_of(sql or ""))
    except UnreadableSqlError:
        # squawk reports where.
        return ()
