"""Find what the revisions have made, by the SQL that they print offline: drift must not drop what no model can know."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from alembic.script import Script

from ..sql.cursor import Cursor
from ..sql.effect import Effect
from ..sql.effect import Kind as EffectKind
from ..sql.names import in_schema_of
from ..sql.offline import run_offline
from ..sql.reader import read_statement
from ..sql.tokens import Statement, UnreadableSqlError, Word, statements_of
from .difference import Difference, Kind

# Alembic's own comparison finds these, so that the models are asked for what one of its operations has made.
_COMPARED_BY_ALEMBIC = frozenset({Kind.TABLE, Kind.INDEX, Kind.UNIQUE, Kind.FOREIGN_KEY})
_NEVER_BY_REVISIONS_ALONE = frozenset({Kind.COLUMN, Kind.PRIMARY_KEY})
_CREATE = {EffectKind.CREATE_TABLE, EffectKind.CREATE_OTHER}
_DROP = {EffectKind.DROP_TABLE, EffectKind.DROP_OTHER}
_RENAME = {EffectKind.RENAME_TABLE, EffectKind.RENAME_OTHER}
_DROP_BY_NAME = {EffectKind.DROP_INDEX, EffectKind.DROP_CONSTRAINT}
_RENAME_BY_NAME = {EffectKind.RENAME_INDEX, EffectKind.RENAME_CONSTRAINT}
_CONSTRAINTS = frozenset({"CHECK", "EXCLUDE", "UNIQUE", "REFERENCES", "FOREIGN"})
_NO_NEW_CONSTRAINT = frozenset({"DROP", "RENAME", "VALIDATE", "ALTER"})
_ROW_SECURITY = ("ROW", "LEVEL", "SECURITY")


@dataclass(frozen=True)
class MadeByRevisions:
    """What the revisions have made and not dropped, by its name; `by_sql` is what they made by SQL of their own.

    `unnamed` are the tables with a constraint or an index whose name the server has chosen, `unnamed_by_sql` those
    where it was SQL of a revision's own. `row_security` are the tables with policies that apply. `unreadable` are the
    revisions that may have made anything, because they look at the database, or run code in it.
    """

    names: frozenset[str]
    by_sql: frozenset[str]
    unnamed: frozenset[str]
    unnamed_by_sql: frozenset[str]
    row_security: frozenset[str]
    unreadable: tuple[str, ...]

    def has(self, found: Difference) -> bool:
        """Return whether a revision has made what the models do not know, and no model is asked for it."""
        if found.kind in _NEVER_BY_REVISIONS_ALONE:
            return False
        if found.models is not None:
            # A model says nothing about row level security.
            are_only_that = all(" ROW LEVEL SECURITY" in statement.sql for statement in found.ddl)
            return found.kind is Kind.TABLE and are_only_that and found.key[0] in self.row_security
        return found.key[-1] in (self.by_sql if found.kind in _COMPARED_BY_ALEMBIC else self.names)

    def may_have(self, found: Difference, table: str | None) -> bool:
        """Return whether a revision may have made what the models do not know; `table` is what it belongs to."""
        if found.models is not None or found.kind in _NEVER_BY_REVISIONS_ALONE:
            return False
        unnamed = self.unnamed_by_sql if found.kind in _COMPARED_BY_ALEMBIC else self.unnamed
        return bool(self.unreadable) or table in unnamed


def read_made_by(revisions: Iterable[Script]) -> MadeByRevisions:
    """Read the revisions, the oldest first, without running them in a database."""
    reader = _Reader()
    for script in revisions:
        reader.read(script)
    return MadeByRevisions(
        names=frozenset(reader.made),
        by_sql=frozenset(name for name, is_own in reader.made.items() if is_own),
        unnamed=frozenset(reader.unnamed),
        unnamed_by_sql=frozenset(name for name, is_own in reader.unnamed.items() if is_own),
        row_security=frozenset(reader.row_security),
        unreadable=tuple(reader.unreadable),
    )


class _Reader:
    """What is made by the revisions that were read so far; the values say whether SQL of their own has made it."""

    def __init__(self) -> None:
        self.made: dict[str, bool] = {}
        self.unnamed: dict[str, bool] = {}
        self.row_security: set[str] = set()
        self.unreadable: list[str] = []

    def read(self, script: Script) -> None:
        run = run_offline(script)
        # Each of them, whether or not one before it can be read.
        are_read = [self._is_read(sql, is_own) for sql, is_own in run.statements]
        if run.sql is None or not all(are_read):
            self.unreadable.append(script.revision)

    def _is_read(self, sql: str, is_own: bool) -> bool:
        """Read the SQL, and return whether it can do nothing else."""
        try:
            are_read = [self._is_statement_read(statement, is_own) for statement in statements_of(sql)]
        except UnreadableSqlError:
            return False
        return all(are_read)

    def _is_statement_read(self, statement: Statement, is_own: bool) -> bool:
        effects = list(read_statement(statement))
        for effect in effects:
            self._apply(effect, is_own)
        for name in _names_beside_effects(statement):
            self.made[name] = is_own
        if (table := _table_with_unnamed(statement, effects)) is not None:
            self.unnamed[table] = is_own or self.unnamed.get(table, False)
        if Cursor(statement.words).has(*_ROW_SECURITY):
            self.row_security.add(_table_of(statement))
        return is_rule(statement) or not any(effect.kind is EffectKind.OPAQUE for effect in effects)

    def _apply(self, effect: Effect, is_own: bool) -> None:
        """Add the name that the effect creates, or take out the one that it drops or renames."""
        if effect.kind is EffectKind.CREATE_TRIGGER and effect.name:
            self.made[effect.name] = is_own
        elif effect.kind in _CREATE:
            self.made[effect.table] = is_own
        elif effect.kind in _DROP:
            self.made.pop(effect.table, None)
        elif effect.kind in _DROP_BY_NAME:
            self.made.pop(effect.name or "", None)
        elif effect.kind in _RENAME | _RENAME_BY_NAME:
            name = effect.table if effect.kind in _RENAME else effect.name or ""
            if effect.renamed_to and name in self.made:
                self.made[effect.renamed_to] = self.made.pop(name)


def is_rule(statement: Statement) -> bool:
    """Return whether the statement makes a rule, which the reader of effects takes for code."""
    cursor = Cursor(statement.words)
    return cursor.skip("CREATE") and (cursor.skip("OR", "REPLACE") or True) and cursor.comes("RULE")


def _names_beside_effects(statement: Statement) -> Iterator[str]:
    """Yield the names of indexes, rules and constraints, which no effect has, or not always."""
    cursor = Cursor(statement.words)
    if cursor.skip("CREATE"):
        cursor.skip("OR", "REPLACE")
        if cursor.skip("RULE"):
            yield cursor.column()
        elif (index := _index(cursor)) is not None and index[0]:
            yield in_schema_of(index[1], index[0])
    yield from _constraint_names(statement.words)


def _index(cursor: Cursor) -> tuple[str, str] | None:
    """Return the name, empty where the server chooses it, and the table of a new index; None for something else."""
    cursor.skip("UNIQUE")
    if not cursor.skip("INDEX"):
        return None
    cursor.skip("CONCURRENTLY")
    cursor.skip_if_exists()
    name = "" if cursor.comes("ON") else cursor.column()
    cursor.skip("ON")
    cursor.skip("ONLY")
    return name, cursor.name()


def _constraint_names(words: Sequence[Word]) -> Iterator[str]:
    for position, word in enumerate(words[:-1]):
        before = words[position - 1].keyword if position else ""
        if word.keyword == "CONSTRAINT" and before not in _NO_NEW_CONSTRAINT and words[position + 1].is_name:
            yield words[position + 1].name


def _table_with_unnamed(statement: Statement, effects: Sequence[Effect]) -> str | None:
    """Return the table for which the statement makes a constraint or an index whose name the server chooses."""
    cursor = Cursor(statement.words)
    if cursor.skip("CREATE") and (index := _index(cursor)) is not None:
        return None if index[0] else index[1]
    if statement.head not in {"CREATE", "ALTER"}:
        return None
    has_unnamed = any(
        word.keyword in _CONSTRAINTS and statement.words[position - 2].keyword != "CONSTRAINT"
        for position, word in enumerate(statement.words)
        if position > 1
    )
    tables = [effect.table for effect in effects if effect.kind is not EffectKind.CREATE_OTHER]
    return tables[0] if has_unnamed and tables else None


def _table_of(statement: Statement) -> str:
    cursor = Cursor(statement.words)
    cursor.skip("ALTER", "TABLE")
    cursor.skip_if_exists()
    cursor.skip("ONLY")
    return cursor.name()
