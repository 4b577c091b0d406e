"""Find what the revisions have made, by the SQL that they print offline: drift must not drop what no model can know."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from alembic.script import Script

from ..revisions.baselines import is_baseline
from ..sql.cursor import Cursor
from ..sql.effect import Effect
from ..sql.effect import Kind as EffectKind
from ..sql.offline import run_offline
from ..sql.reader import read_statement
from ..sql.tokens import Statement, UnreadableSqlError, statements_of
from .difference import Difference, Kind

# Alembic's own comparison finds these, so that the models are asked for what one of its operations has made.
_COMPARED_BY_ALEMBIC = frozenset({Kind.TABLE, Kind.INDEX, Kind.UNIQUE, Kind.FOREIGN_KEY})
_NEVER_BY_REVISIONS_ALONE = frozenset({Kind.COLUMN, Kind.PRIMARY_KEY})
# Their names are unique in their table only.
_OF_A_TABLE = frozenset(
    {Kind.TRIGGER, Kind.POLICY, Kind.RULE, Kind.CHECK, Kind.EXCLUSION, Kind.UNIQUE, Kind.FOREIGN_KEY}
)
_CREATE = {EffectKind.CREATE_TABLE, EffectKind.CREATE_OTHER}
_DROP = {EffectKind.DROP_TABLE, EffectKind.DROP_OTHER}
_RENAME = {EffectKind.RENAME_TABLE, EffectKind.RENAME_OTHER}
_CREATE_INDEX = {EffectKind.ADD_INDEX, EffectKind.ADD_UNIQUE_INDEX}
_CONSTRAINTS = frozenset({"CHECK", "EXCLUDE", "UNIQUE", "REFERENCES", "FOREIGN"})
_NO_NEW_CONSTRAINT = frozenset({"DROP", "RENAME", "VALIDATE", "ALTER"})
# A function that one of them calls gives a value: it may do more, but nobody makes a trigger or an index so.
_MAKES_NOTHING_ELSE = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "ALTER"})
_ATTACHED = ("TRIGGER", "POLICY", "RULE")

# The table, empty for what belongs to none or has a name that no other table may use, and the name.
Key = tuple[str, str]


@dataclass(frozen=True)
class MadeByRevisions:
    """What the revisions have made and not dropped; the values say whether it was by SQL of their own (`op.execute`).

    `unnamed` are the tables with a constraint or an index whose name the server has chosen. `row_security` are the
    tables with policies that apply. `unreadable` are the revisions that may have made anything, because they look at
    the database, or run code in it.
    """

    made: dict[Key, bool]
    unnamed: dict[str, bool]
    row_security: set[str]
    unreadable: tuple[str, ...]

    def knows(self, found: Difference) -> bool:
        """Return whether a revision has made the object."""
        return _key(found) in self.made

    def wants(self, found: Difference) -> bool:
        """Return whether a revision has made what the models do not know, and no model is asked for it."""
        if found.kind in _NEVER_BY_REVISIONS_ALONE:
            return False
        if found.models is not None:
            # A model says nothing about row level security.
            are_only_that = all(" ROW LEVEL SECURITY" in statement.sql for statement in found.ddl)
            return found.kind is Kind.TABLE and are_only_that and found.key[0] in self.row_security
        return self.made.get(_key(found), False) or (self.knows(found) and found.kind not in _COMPARED_BY_ALEMBIC)

    def may_have_made(self, found: Difference, table: str | None) -> bool:
        """Return whether that cannot be known of an object; `table` is what it belongs to."""
        if found.models is not None or found.kind in _NEVER_BY_REVISIONS_ALONE or self.knows(found):
            return False
        chosen = self.unnamed.get(table or "")
        return bool(self.unreadable) or bool(chosen) or (chosen is False and found.kind not in _COMPARED_BY_ALEMBIC)


def read_made_by(revisions: Iterable[Script]) -> MadeByRevisions:
    """Read the revisions, the oldest first, without running them in a database."""
    reader = _Reader()
    for script in revisions:
        reader.read(script)
    return MadeByRevisions(reader.made, reader.unnamed, reader.row_security, tuple(reader.unreadable))


def _key(found: Difference) -> Key:
    return (found.key[0] if found.kind in _OF_A_TABLE else "", found.key[-1])


class _Reader:
    """What is made by the revisions that were read so far."""

    def __init__(self) -> None:
        self.made: dict[Key, bool] = {}
        self.unnamed: dict[str, bool] = {}
        self.row_security: set[str] = set()
        self.unreadable: list[str] = []

    def read(self, script: Script) -> None:
        run, before = run_offline(script), set(self.made)
        # Each of them, whether or not one before it can be read.
        are_read = [self._is_read(sql, is_own) for sql, is_own in run.statements]
        if is_baseline(script):
            # All of it is SQL, and it says itself what was made by SQL before.
            self.made |= {key: key in script.module.made_by_sql for key in self.made.keys() - before}
        elif run.sql is None or not all(are_read):
            self.unreadable.append(script.revision)

    def _is_read(self, sql: str, is_own: bool) -> bool:
        """Read the SQL, and return whether it can do nothing else."""
        try:
            are_read = [self._is_statement_read(statement, is_own) for statement in statements_of(sql)]
        except UnreadableSqlError:
            return False
        return all(are_read)

    def _is_statement_read(self, statement: Statement, is_own: bool) -> bool:
        if self._is_of_attached(statement, is_own):
            return True
        effects = list(read_statement(statement))
        for effect in effects:
            self._apply(effect, is_own)
        table = next((effect.table for effect in effects if effect.kind is not EffectKind.CREATE_OTHER), "")
        if table and statement.head in {"CREATE", "ALTER"}:
            self.made.update(dict.fromkeys(_constraints_of(table, statement), is_own))
            if _leaves_a_name_to_the_server(statement, effects):
                self.unnamed[table] = is_own or self.unnamed.get(table, False)
        return statement.head in _MAKES_NOTHING_ELSE or not any(effect.kind is EffectKind.OPAQUE for effect in effects)

    def _is_of_attached(self, statement: Statement, is_own: bool) -> bool:
        """Note what it does to a trigger, a policy or a rule, and return whether it does that."""
        cursor = Cursor(statement.words)
        if cursor.has("ROW", "LEVEL", "SECURITY") and cursor.skip("ALTER", "TABLE"):
            cursor.skip_if_exists()
            cursor.skip("ONLY")
            self.row_security.add(cursor.name())
            return True
        verb = cursor.pop().keyword
        cursor.skip("OR", "REPLACE")
        cursor.skip("CONSTRAINT")
        kind = next((kind for kind in _ATTACHED if cursor.skip(kind)), None)
        if verb not in {"CREATE", "DROP", "ALTER"} or kind is None:
            return False
        cursor.skip_if_exists()
        name = cursor.column()
        # CREATE RULE name AS ON event TO table
        while cursor and not cursor.skip("TO" if (verb, kind) == ("CREATE", "RULE") else "ON"):
            cursor.pop()
        key = (cursor.name(), name)
        if verb == "CREATE":
            self.made[key] = is_own
        elif verb == "DROP":
            self.made.pop(key, None)
        elif cursor.skip("RENAME", "TO"):
            self._move(key, (key[0], cursor.column()))
        return True

    def _apply(self, effect: Effect, is_own: bool) -> None:
        """Add what the effect creates, or take out what it drops or renames."""
        named, in_table = ("", effect.name or ""), (effect.table, effect.name or "")
        if effect.kind in _CREATE:
            self.made["", effect.table] = is_own
        elif effect.kind in _CREATE_INDEX and effect.name:
            self.made[named] = is_own
        elif effect.kind is EffectKind.DROP_INDEX:
            self.made.pop(named, None)
        elif effect.kind is EffectKind.DROP_CONSTRAINT:
            self.made.pop(in_table, None)
        elif effect.kind in _DROP:
            self._drop(effect.table)
        elif effect.kind is EffectKind.RENAME_INDEX:
            self._move(named, ("", effect.renamed_to or ""))
        elif effect.kind is EffectKind.RENAME_CONSTRAINT:
            self._move(in_table, (effect.table, effect.renamed_to or ""))
        elif effect.kind in _RENAME:
            self._rename(effect.table, effect.renamed_to or "")

    def _drop(self, name: str) -> None:
        for key in [key for key in self.made if key == ("", name) or key[0] == name]:
            del self.made[key]

    def _rename(self, name: str, new: str) -> None:
        self._move(("", name), ("", new))
        for key in [key for key in self.made if key[0] == name]:
            self._move(key, (new, key[1]))

    def _move(self, key: Key, new: Key) -> None:
        if key in self.made:
            self.made[new] = self.made.pop(key)


def _constraints_of(table: str, statement: Statement) -> Iterator[Key]:
    """Yield the named constraints that a CREATE TABLE or ALTER TABLE makes."""
    words = statement.words
    for position, word in enumerate(words[1:-1], 1):
        is_new = word.keyword == "CONSTRAINT" and words[position - 1].keyword not in _NO_NEW_CONSTRAINT
        if is_new and words[position + 1].is_name:
            yield table, words[position + 1].name


def _leaves_a_name_to_the_server(statement: Statement, effects: Iterable[Effect]) -> bool:
    if any(effect.kind in _CREATE_INDEX and not effect.name for effect in effects):
        return True
    words = statement.words
    return not any(effect.kind in _CREATE_INDEX for effect in effects) and any(
        word.keyword in _CONSTRAINTS and words[position - 2].keyword != "CONSTRAINT"
        for position, word in enumerate(words[2:], 2)
    )
