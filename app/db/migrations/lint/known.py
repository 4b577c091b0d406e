"""What is known of the schema from the SQL of the revisions before, and of one revision so far."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from alembic.script import Script

from app.core.config import Phase
from app.db.migrations.config import phase_of
from app.db.migrations.effects import Effect, Kind, offline_sql, read_statement
from app.db.migrations.parsing import Statement, UnreadableSqlError, statements_of

Named = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Known:
    """Pairs of a table and a name. The first five are of this revision, the others of all up to here.

    `checks` are the columns of constraints CHECK (column IS NOT NULL) by the constraints' names, `valid` constraints
    that hold for every row, `required` columns that are NOT NULL.
    """

    tables: frozenset[str] = frozenset()
    columns: Named = frozenset()
    defaults: Named = frozenset()
    constraints: Named = frozenset()
    others: frozenset[str] = frozenset()
    checks: frozenset[tuple[str, str, str]] = frozenset()
    valid: Named = frozenset()
    required: Named = frozenset()

    def at_next_revision(self) -> "Known":
        return Known(checks=self.checks, valid=self.valid, required=self.required)

    def has_valid_check(self, table: str, column: str | None) -> bool:
        return any((table, name) in self.valid for of, name, checked in self.checks if (of, checked) == (table, column))

    def is_superfluous(self, table: str, constraint: str | None) -> bool:
        """Whether the constraint is CHECK (column IS NOT NULL) of a column that is NOT NULL."""
        return any(
            (of, column) in self.required for of, name, column in self.checks if (of, name) == (table, constraint)
        )

    def after(self, effect: Effect) -> "Known":
        changed: dict[str, frozenset[Any]] = {}
        for field, parts in _GAINS.get(effect.kind, {}).items():
            changed[field] = getattr(self, field) | {_key(effect, parts)}
        for field, parts in _LOSES.get(effect.kind, {}).items():
            lost = _key(effect, parts)
            changed[field] = frozenset(pair for pair in getattr(self, field) if pair[:2] != lost)
        return replace(self, **changed)


def _key(effect: Effect, parts: tuple[str, ...]) -> str | tuple[str, ...]:
    key = tuple(getattr(effect, part) or "" for part in parts)
    return key if len(key) > 1 else key[0]


_COLUMN = ("table", "column")
_NAME = ("table", "name")
# Of each kind of effect, the fields of Known that gain and lose what these fields of the effect say.
_GAINS: dict[Kind, dict[str, tuple[str, ...]]] = {
    Kind.CREATE_TABLE: {"tables": ("table",)},
    Kind.CREATE_OTHER: {"others": ("table",)},
    Kind.ADD_COLUMN: {"columns": _COLUMN},
    Kind.SET_DEFAULT: {"defaults": _COLUMN},
    Kind.SET_NOT_NULL: {"required": _COLUMN},
    Kind.ADD_CONSTRAINT: {"constraints": _NAME},
    Kind.ADD_NOT_NULL_CHECK: {"constraints": _NAME, "checks": (*_NAME, "column")},
    Kind.VALIDATE: {"valid": _NAME},
}
_LOSES: dict[Kind, dict[str, tuple[str, ...]]] = {
    Kind.DROP_DEFAULT: {"defaults": _COLUMN},
    Kind.DROP_NOT_NULL: {"required": _COLUMN},
    Kind.DROP_CONSTRAINT: {"checks": _NAME, "valid": _NAME},
}


@dataclass(frozen=True)
class Change:
    """One effect of a statement, and what was known before it."""

    statement: Statement
    effect: Effect
    before: Known

    @property
    def is_of_new_table(self) -> bool:
        return self.effect.table in self.before.tables


@dataclass(frozen=True)
class Reading:
    """One revision, read; `sql` is None where that cannot be known without a database."""

    script: Script
    phase: Phase
    sql: str | None
    statements: tuple[Statement, ...]
    changes: tuple[Change, ...]


def read_revisions(revisions: Iterable[Script]) -> Iterator[Reading]:
    """Of all revisions, oldest first."""
    known = Known()
    for script in revisions:
        sql = offline_sql(script)
        known = known.at_next_revision()
        statements = _statements(sql)
        changes = []
        for statement in statements:
            for effect in read_statement(statement):
                changes.append(Change(statement, effect, known))
                known = known.after(effect)
        yield Reading(script, phase_of(script), sql, statements, tuple(changes))


def _statements(sql: str | None) -> tuple[Statement, ...]:
    try:
        return tuple(statements_of(sql or ""))
    except UnreadableSqlError:
        # squawk says where.
        return ()
