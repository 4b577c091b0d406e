"""What ALTER TABLE locks, action by action, as AlterTableGetLockLevel in PostgreSQL's tablecmds.c has it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from .cursor import Cursor
from .lock_modes import Lock, LockMode
from .relations import Relations

_CONSTRAINTS = frozenset({"CONSTRAINT", "CHECK", "EXCLUDE", "FOREIGN", "NOT", "PRIMARY", "UNIQUE"})
# Storage parameters whose change stops reads and writes; that of the others stops neither.
_STRONG_PARAMETERS = frozenset({"USER_CATALOG_TABLE", "FASTUPDATE", "BUFFERING", "SECURITY_BARRIER"})

_SEQUENCE_OPTIONS = frozenset({"GENERATED", "INCREMENT", "MINVALUE", "MAXVALUE", "NO", "START", "CACHE", "CYCLE"})


@dataclass(frozen=True)
class _Action:
    """What an action locks: the table, its children if it `recurses`, and `others`."""

    mode: LockMode
    recurses: bool = True
    others: tuple[Lock, ...] = ()


def alter_table_locks(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    """Yield the locks of what follows `ALTER TABLE`; those on tables that foreign keys refer to come last."""
    may_be_missing = cursor.skip_if_exists()
    only = cursor.skip("ONLY")
    table = cursor.name()
    cursor.skip("*")
    # The name may be an index's: then no table is locked.
    if (may_be_missing and relations.is_missing(table)) or table in relations.indexes:
        return
    actions = [_action(table, part, relations) for part in cursor.parts()]
    if not actions:
        return
    strongest = max((action.mode for action in actions), key=lambda mode: mode.strength)
    yield Lock(table, strongest)
    if not only and any(action.recurses for action in actions):
        yield from (Lock(child, strongest) for child in [*relations.with_children(table)][1:])
    for action in actions:
        yield from action.others


def referenced_tables(words: Cursor) -> Iterator[str]:
    """Yield the tables behind REFERENCES."""
    for position, word in enumerate(words.left):
        if word.keyword == "REFERENCES":
            yield Cursor(words.left[position + 1 :]).name()


def foreign_key_locks(cursor: Cursor, relations: Relations) -> tuple[Lock, ...]:
    """Return the locks on the tables that new foreign keys refer to."""
    return locks_on(referenced_tables(cursor), LockMode.SHARE_ROW_EXCLUSIVE, relations)


def locks_on(tables: Iterator[str] | Sequence[str], mode: LockMode, relations: Relations) -> tuple[Lock, ...]:
    """Return locks on the tables and their children."""
    return tuple(Lock(each, mode) for table in tables for each in relations.with_children(table))


def _action(table: str, action: Cursor, relations: Relations) -> _Action:
    for keywords, read in _ACTIONS:
        if action.skip(*keywords):
            return read(table, action, relations) if callable(read) else read
    return _Action(LockMode.ACCESS_EXCLUSIVE)


def _add(table: str, action: Cursor, relations: Relations) -> _Action:
    others = tuple(lock for lock in foreign_key_locks(action, relations) if lock.table != table)
    is_constraint = bool(action) and action.left[0].keyword in _CONSTRAINTS
    if is_constraint and action.skip("CONSTRAINT"):
        action.column()
    is_foreign_key = is_constraint and action.comes("FOREIGN", "KEY")
    return _Action(LockMode.SHARE_ROW_EXCLUSIVE if is_foreign_key else LockMode.ACCESS_EXCLUSIVE, others=others)


def _drop_constraint(table: str, action: Cursor, relations: Relations) -> _Action:
    action.skip_if_exists()
    name = action.column()
    others = [key.referenced for key in relations.keys_of(table) if key.name == name]
    if action.comes("CASCADE"):
        others += [key.table for key in relations.keys_to(table) if key.key == name]
    return _Action(LockMode.ACCESS_EXCLUSIVE, others=locks_on(others, LockMode.ACCESS_EXCLUSIVE, relations))


def _drop_column(table: str, action: Cursor, relations: Relations) -> _Action:
    action.skip_if_exists()
    column = action.column()
    others = [key.referenced for key in relations.keys_of(table) if column in key.columns]
    others += relations.sequences_of(table, column)
    if action.comes("CASCADE"):
        others += [key.table for key in relations.keys_to(table) if column in key.referenced_columns]
        others += relations.views_of_column(table, column)
    return _Action(LockMode.ACCESS_EXCLUSIVE, others=locks_on(others, LockMode.ACCESS_EXCLUSIVE, relations))


def _validate(table: str, action: Cursor, relations: Relations) -> _Action:
    name = action.column()
    keys = [key for key in relations.keys_of(table) if key.name == name]
    others = locks_on([key.referenced for key in keys], LockMode.ROW_SHARE, relations)
    return _Action(LockMode.SHARE_UPDATE_EXCLUSIVE, others=others)


def _alter_constraint(table: str, action: Cursor, relations: Relations) -> _Action:
    name = action.column()
    is_enforcement = "ENFORCED" in action.outside_groups()
    others = [key.referenced for key in relations.keys_of(table) if key.name == name and is_enforcement]
    return _Action(LockMode.ACCESS_EXCLUSIVE, others=locks_on(others, LockMode.ACCESS_EXCLUSIVE, relations))


def _alter_column(table: str, action: Cursor, relations: Relations) -> _Action:
    action.skip("COLUMN")
    column = action.column()
    if action.comes("SET", "STATISTICS"):
        return _Action(LockMode.SHARE_UPDATE_EXCLUSIVE)
    if action.comes("SET", "(") or action.comes("RESET", "("):
        return _Action(LockMode.SHARE_UPDATE_EXCLUSIVE, recurses=False)
    if action.comes("DROP", "IDENTITY") or _changes_identity(action):
        mode = LockMode.ACCESS_EXCLUSIVE if action.comes("DROP") else LockMode.SHARE_ROW_EXCLUSIVE
        sequences = tuple(Lock(name, mode) for name in relations.sequences_of(table, column))
        return _Action(LockMode.ACCESS_EXCLUSIVE, others=sequences)
    if action.comes("SET", "COMPRESSION"):
        return _Action(LockMode.ACCESS_EXCLUSIVE, recurses=False)
    if action.comes("TYPE") or action.comes("SET", "DATA", "TYPE"):
        # Their foreign keys are made anew.
        tables = [key.referenced for key in relations.keys_of(table) if column in key.columns]
        tables += [key.table for key in relations.keys_to(table) if column in key.referenced_columns]
        return _Action(LockMode.ACCESS_EXCLUSIVE, others=locks_on(tables, LockMode.ACCESS_EXCLUSIVE, relations))
    return _Action(LockMode.ACCESS_EXCLUSIVE)


def _changes_identity(action: Cursor) -> bool:
    """Return whether it is RESTART, SET GENERATED, or SET and an option of the sequence."""
    option = action.left[1].keyword if len(action.left) > 1 else ""
    return action.comes("RESTART") or (action.comes("SET") and option in _SEQUENCE_OPTIONS)


def _rename_constraint(table: str, action: Cursor, relations: Relations) -> _Action:
    name = action.column()
    is_key = any(key.name == name for key in relations.keys_of(table)) or name in relations.indexes
    return _Action(LockMode.ACCESS_EXCLUSIVE, recurses=not is_key)


def _attach(table: str, action: Cursor, relations: Relations) -> _Action:
    partition = action.name()
    strong = locks_on([partition, *relations.default_of(table)], LockMode.ACCESS_EXCLUSIVE, relations)
    return _Action(LockMode.SHARE_UPDATE_EXCLUSIVE, False, (*strong, *inherited_key_locks(table, relations)))


def _detach(table: str, action: Cursor, relations: Relations) -> _Action:
    partition = action.name()
    is_concurrent = not {"CONCURRENTLY", "FINALIZE"}.isdisjoint(action.outside_groups())
    strong = locks_on([partition, *relations.default_of(table)], LockMode.ACCESS_EXCLUSIVE, relations)
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if is_concurrent else LockMode.ACCESS_EXCLUSIVE
    return _Action(mode, False, (*strong, *inherited_key_locks(table, relations)))


def inherited_key_locks(table: str, relations: Relations) -> tuple[Lock, ...]:
    """Return the locks on what the foreign keys that a partition of this table gets, or loses, are about."""
    others = [key.referenced for key in relations.keys_of(table)] + [key.table for key in relations.keys_to(table)]
    return locks_on(others, LockMode.SHARE_ROW_EXCLUSIVE, relations)


def _storage_parameters(table: str, action: Cursor, relations: Relations) -> _Action:  # noqa: ARG001 - as the others
    is_strong = any(word.keyword in _STRONG_PARAMETERS for word in action.left)
    return _Action(LockMode.ACCESS_EXCLUSIVE if is_strong else LockMode.SHARE_UPDATE_EXCLUSIVE, recurses=False)


def _inherit(table: str, action: Cursor, relations: Relations) -> _Action:  # noqa: ARG001 - as the others
    return _Action(LockMode.ACCESS_EXCLUSIVE, False, (Lock(action.name(), LockMode.SHARE_UPDATE_EXCLUSIVE),))


def _disinherit(table: str, action: Cursor, relations: Relations) -> _Action:  # noqa: ARG001 - as the others
    return _Action(LockMode.ACCESS_EXCLUSIVE, False, (Lock(action.name(), LockMode.ACCESS_SHARE),))


def _with_sequences(table: str, action: Cursor, relations: Relations) -> _Action:  # noqa: ARG001 - as the others
    sequences = [Lock(name, LockMode.ACCESS_EXCLUSIVE) for name in relations.sequences_of(table)]
    return _Action(LockMode.ACCESS_EXCLUSIVE, False, tuple(sequences))


def _toggle(table: str, action: Cursor, relations: Relations) -> _Action:  # noqa: ARG001 - as the others
    """ENABLE and DISABLE: a trigger, a rule, row level security."""
    if "TRIGGER" in action.outside_groups():
        return _Action(LockMode.SHARE_ROW_EXCLUSIVE)
    return _ALONE


_ALONE = _Action(LockMode.ACCESS_EXCLUSIVE, recurses=False)
_WEAK = _Action(LockMode.SHARE_UPDATE_EXCLUSIVE, recurses=False)
# The first that fits; what is not here locks the table and its children in the strongest mode.
_ACTIONS: tuple[tuple[tuple[str, ...], _Action | Callable[[str, Cursor, Relations], _Action]], ...] = (
    (("RENAME", "TO"), _ALONE),
    (("RENAME", "CONSTRAINT"), _rename_constraint),
    (("SET", "SCHEMA"), _with_sequences),
    (("OWNER",), _with_sequences),
    (("SET", "LOGGED"), _with_sequences),
    (("SET", "UNLOGGED"), _with_sequences),
    (("SET", "ACCESS"), _ALONE),
    (("SET", "TABLESPACE"), _ALONE),
    (("SET", "WITHOUT", "CLUSTER"), _WEAK),
    (("SET", "WITHOUT"), _ALONE),
    (("SET",), _storage_parameters),
    (("RESET",), _storage_parameters),
    (("CLUSTER", "ON"), _WEAK),
    (("ENABLE",), _toggle),
    (("DISABLE",), _toggle),
    (("FORCE",), _ALONE),
    (("NO", "FORCE"), _ALONE),
    (("REPLICA", "IDENTITY"), _ALONE),
    (("INHERIT",), _inherit),
    (("NO", "INHERIT"), _disinherit),
    (("OF",), _ALONE),
    (("NOT", "OF"), _ALONE),
    (("ATTACH", "PARTITION"), _attach),
    (("DETACH", "PARTITION"), _detach),
    (("ADD",), _add),
    (("DROP", "CONSTRAINT"), _drop_constraint),
    (("DROP", "COLUMN"), _drop_column),
    (("DROP",), _drop_column),
    (("VALIDATE", "CONSTRAINT"), _validate),
    (("ALTER", "CONSTRAINT"), _alter_constraint),
    (("ALTER",), _alter_column),
)
