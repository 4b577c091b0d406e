"""What the SQL of the earlier revisions, and of one revision so far, tells about the schema."""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace
from operator import itemgetter

from alembic.script import Script

from ..autogenerate.mirrored_column import read_mirrored_column
from ..phase import Phase
from ..revisions.loading import phase_of
from ..sql.effect import Effect, Kind
from ..sql.offline import OfflineRun, offline_sql, run_offline
from ..sql.reader import read_sql, read_statement
from ..sql.tokens import Statement, UnreadableSqlError, statements_of

Rows = frozenset[tuple[str, ...]]
Parts = tuple[str, ...]


@dataclass(frozen=True)
class KnownSchema:
    """Rows of names, whose parts `_PARTS` names: what this revision has made, and then what all revisions have.

    `tables`, `columns`, `defaults`, `constraints` and `others` are what this revision has made. `checks` are the
    constraints CHECK (column IS NOT NULL) with their columns, `valid` the constraints that hold for every row,
    `required` the columns that are NOT NULL, `unique` the unique indexes and `keys` their columns, `indexes` all
    indexes, `partitioned` the partitioned tables and `plain` the others. `functions` are the objects that are made from
    code, with it, and `mirrors` the triggers that keep a new column equal to an old one.
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
    keys: Rows = frozenset()
    indexes: Rows = frozenset()
    partitioned: Rows = frozenset()
    plain: Rows = frozenset()
    functions: Rows = frozenset()
    mirrors: Rows = frozenset()

    def at_next_revision(self) -> "KnownSchema":
        return replace(self, **dict.fromkeys(_OF_REVISION, frozenset()))

    def has_valid_check(self, table: str, column: str | None) -> bool:
        """Return whether a validated CHECK says that the column is not NULL."""
        return any((table, name) in self.valid for of, name, checked in self.checks if (of, checked) == (table, column))

    def is_superfluous(self, table: str, constraint: str | None) -> bool:
        """Return whether the constraint is CHECK (column IS NOT NULL) of a column that is NOT NULL."""
        return any(
            (of, column) in self.required for of, name, column in self.checks if (of, name) == (table, constraint)
        )

    def holds_no_null(self, table: str, column: str | None) -> bool:
        """Return whether the column is NOT NULL, or has a validated CHECK that says so."""
        return (table, column) in self.required or self.has_valid_check(table, column)

    def table_of_index(self, index: str | None) -> str | None:
        """Return the table that the index is on; None if no revision has made such an index."""
        return next((table for table, name in self.indexes if name == index), None)

    def has_old_unique(self, index: str | None) -> bool:
        """Return whether an earlier revision has made this index, and made it unique."""
        return any(name == index for _, name in self.unique - self.constraints)

    def mirrored(self, table: str) -> dict[str, str]:
        """Return the table's old columns by the new ones that mirror them."""
        return {new: old for of, _, new, old in self.mirrors if of == table}

    def after(self, effect: Effect) -> "KnownSchema":
        changed: dict[str, Rows] = {}
        for field, parts in _LOSES.get(effect.kind, {}).items():
            changed[field] = _without(getattr(self, field), effect, field, parts)
        for field, parts in _RENAMES.get(effect.kind, {}).items():
            changed[field] = _renamed(getattr(self, field), effect, field, parts)
        for field in () if effect.may_exist else _GAINS.get(effect.kind, ()):
            changed[field] = changed.get(field, getattr(self, field)).union(_gained(effect, _PARTS[field]))
        return replace(self, **changed) if changed else self

    def resolve(self, effect: Effect) -> Iterator[Effect]:
        """Yield the effect, or those that it has on columns which other statements name."""
        if effect.kind is Kind.CREATE_TRIGGER:
            yield self._mirror(effect) or effect
            return
        if effect.kind is not Kind.USE_INDEX:
            yield effect
            return
        key = (effect.table, effect.name)
        columns: list[str | None] = [column for table, name, column in self.keys if (table, name) == key]
        # Of an index that is not known a column may be nullable.
        for column in columns or [None]:
            if (effect.table, column) not in self.required:
                yield replace(effect, kind=Kind.SET_NOT_NULL, column=column)

    def _mirror(self, trigger: Effect) -> Effect | None:
        """Return the effect of a trigger whose function keeps two columns of its table equal; None for another one."""
        code = next((code for name, code in self.functions if name == trigger.code), "")
        mirrored = read_mirrored_column(code)
        if mirrored is None or not mirrored.is_kept_by(trigger.table, trigger.name):
            return None
        # The previous release knows an older column, and does not expect that it changes.
        if (trigger.table, mirrored.new) not in self.columns:
            return None
        return replace(trigger, kind=Kind.MIRROR_COLUMN, column=mirrored.new, renamed_to=mirrored.old)


_TABLE = ("table",)
_COLUMN = ("table", "column")
_NAME = ("table", "name")
# An index is named without its table.
_INDEX = ("name",)
_OBJECT = ("object",)
_TRIGGER = ("trigger",)
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
    "keys": (*_NAME, "column"),
    "indexes": _NAME,
    "partitioned": _TABLE,
    "plain": _TABLE,
    "functions": ("object", "code"),
    "mirrors": ("table", "trigger", "column", "mirrored"),
}
_OF_REVISION = ("tables", "columns", "defaults", "constraints", "others")


def _with(parts: Parts) -> dict[str, Parts]:
    """Return every field whose rows have these parts, by which a row is found."""
    return {field: parts for field, of in _PARTS.items() if set(parts) <= set(of)}


_INDEXES: dict[str, Parts] = dict.fromkeys(("unique", "keys", "indexes", "constraints"), _INDEX)
# The fields that gain a row by each kind of effect.
_GAINS: dict[Kind, tuple[str, ...]] = {
    Kind.CREATE_TABLE: ("tables", "plain", "required"),
    Kind.PARTITION_TABLE: ("partitioned",),
    Kind.CREATE_OTHER: ("others", "functions"),
    Kind.MIRROR_COLUMN: ("mirrors",),
    Kind.ADD_COLUMN: ("columns",),
    Kind.SET_DEFAULT: ("defaults",),
    Kind.SET_NOT_NULL: ("required",),
    Kind.ADD_CONSTRAINT: ("constraints",),
    Kind.ADD_NOT_NULL_CHECK: ("constraints", "checks"),
    Kind.ADD_INDEX: ("indexes",),
    Kind.ADD_UNIQUE_INDEX: ("constraints", "unique", "keys", "indexes"),
    Kind.VALIDATE: ("valid",),
}
# The fields that lose the rows with the same parts as the effect.
_LOSES: dict[Kind, dict[str, Parts]] = {
    Kind.DROP_TABLE: _with(_TABLE),
    # One that is added was dropped behind the revisions' back if an earlier one has made it.
    Kind.ADD_COLUMN: _with(_COLUMN),
    Kind.DROP_COLUMN: _with(_COLUMN),
    Kind.DROP_DEFAULT: {"defaults": _COLUMN},
    Kind.DROP_NOT_NULL: {"required": _COLUMN},
    Kind.DROP_CONSTRAINT: _with(_NAME),
    Kind.DROP_INDEX: _INDEXES,
    Kind.PARTITION_TABLE: {"plain": _TABLE},
    Kind.DROP_OTHER: {"functions": _OBJECT, "mirrors": _TRIGGER},
    # It may no longer be enforced.
    Kind.ALTER_CONSTRAINT: {"valid": _NAME},
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


def _gained(effect: Effect, parts: Parts) -> Iterator[tuple[str, ...]]:
    if "column" in parts and effect.column is None:
        for column in effect.columns:
            yield from _gained(replace(effect, column=column), parts)
        return
    yield tuple(_named(effect, part) for part in parts)


def _named(effect: Effect, part: str) -> str:
    if part == "object" or (part == "trigger" and effect.kind is Kind.DROP_OTHER):
        return effect.table
    return getattr(effect, {"trigger": "name", "mirrored": "renamed_to"}.get(part, part)) or ""


def _without(rows: Rows, effect: Effect, field: str, parts: Parts) -> Rows:
    if parts == _PARTS[field]:
        row = tuple(_named(effect, part) for part in parts)
        return rows - {row} if row in rows else rows
    gone = _rows_of(rows, effect, field, parts)
    return rows.difference(gone) if gone else rows


def _rows_of(rows: Rows, effect: Effect, field: str, parts: Parts) -> list[tuple[str, ...]]:
    """Return the rows that have the effect's names in these parts: thousands of rows are looked at for each effect."""
    places = [_PARTS[field].index(part) for part in parts]
    names = tuple(_named(effect, part) for part in parts)
    if len(places) == 1:
        (place,), (name,) = places, names
        return [row for row in rows if row[place] == name]
    read = itemgetter(*places)
    return [row for row in rows if read(row) == names]


def _renamed(rows: Rows, effect: Effect, field: str, parts: Parts) -> Rows:
    old = _rows_of(rows, effect, field, parts)
    place, name = _PARTS[field].index(parts[-1]), effect.renamed_to or ""
    return rows.difference(old).union((*row[:place], name, *row[place + 1 :]) for row in old) if old else rows


@dataclass(frozen=True)
class Change:
    """One effect of a statement, and the schema as it was known before."""

    statement: Statement
    effect: Effect
    before: KnownSchema

    @property
    def is_of_new_table(self) -> bool:
        return (self.effect.table,) in self.before.tables


@dataclass(frozen=True, eq=False)
class ParsedRevision:
    """One revision with its statements, what was known of the schema before each of them, and their changes."""

    script: Script
    phase: Phase
    offline: OfflineRun
    statements: tuple[Statement, ...]
    before: tuple[KnownSchema, ...]
    changes: tuple[Change, ...]

    @property
    def sql(self) -> str | None:
        """What it runs; None if that cannot be known without a database."""
        return self.offline.sql

    def changes_of_old_tables(self, kinds: Set[Kind]) -> Iterator[Change]:
        """Return the changes of these kinds to tables that an earlier revision has made."""
        return (change for change in self.changes if change.effect.kind in kinds and not change.is_of_new_table)


def schema_after(revisions: Iterable[Script]) -> KnownSchema:
    """Return the schema as these revisions, which come oldest first, have made it."""
    known = KnownSchema()
    for effect in (effect for script in revisions for effect in read_sql(offline_sql(script) or "")):
        for resolved in known.resolve(effect):
            known = known.after(resolved)
    return known.at_next_revision()


def parse_revisions(revisions: Iterable[Script]) -> Iterator[ParsedRevision]:
    """Parse the revisions, which come oldest first, and yield them."""
    known = KnownSchema()
    for script in revisions:
        offline = run_offline(script)
        known = known.at_next_revision()
        statements = _statements(offline.sql)
        before, changes = [], []
        for statement in statements:
            before.append(known)
            for read in read_statement(statement):
                for effect in known.resolve(read):
                    changes.append(Change(statement, effect, known))
                    known = known.after(effect)
        yield ParsedRevision(script, phase_of(script), offline, statements, tuple(before), tuple(changes))


def _statements(sql: str | None) -> tuple[Statement, ...]:
    try:
        return tuple(statements_of(sql or ""))
    except UnreadableSqlError:
        # squawk reports where.
        return ()
