"""Triggers, policies and rules of tables, functions and views, and the statements for them.

All triggers, policies and rules of the models' tables are compared, whoever made them, because they change what
statements do; but only the functions and views that the models have, because others do nothing until they are used.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ..sql.quoting import quote
from .difference import Kind, Order, Statement

# By `pg_trigger.tgenabled` and `pg_rewrite.ev_enabled`: how the state is set, and how it is shown.
_STATES = {
    "O": ("ENABLE", ""),
    "D": ("DISABLE", " (disabled)"),
    "R": ("ENABLE REPLICA", " (fires on a replica only)"),
    "A": ("ENABLE ALWAYS", " (fires also on a replica)"),
}
NORMAL = "O"


@dataclass(frozen=True)
class Attached:
    """A trigger, policy or rule of a table: the statement that makes it, and whether it fires."""

    table: str
    name: str
    kind: Kind
    definition: str
    state: str = NORMAL

    @property
    def description(self) -> str:
        """The definition and the state, for people."""
        return self.definition + _STATES[self.state][1]


@dataclass(frozen=True)
class Routine:
    """A function or procedure; `signature` is its name in DROP, `result` is what CREATE OR REPLACE cannot change."""

    name: str
    signature: str
    kind: str
    result: str
    definition: str


@dataclass(frozen=True)
class View:
    name: str
    kind: str
    definition: str


def create_attached(found: Attached) -> Iterator[Statement]:
    yield Statement(found.definition, Order.CREATE_CODE)
    if found.state != NORMAL:
        yield _set_state(found)


def drop_attached(found: Attached) -> Iterator[Statement]:
    yield Statement(f"DROP {found.kind.upper()} {quote(found.name)} ON {quote(found.table)}", Order.DROP_CODE)


def change_attached(before: Attached, after: Attached) -> Iterator[Statement]:
    if before.definition == after.definition:
        yield _set_state(after)
    else:
        yield from drop_attached(before)
        yield from create_attached(after)


def _set_state(found: Attached) -> Statement:
    how = f"{_STATES[found.state][0]} {found.kind.upper()} {quote(found.name)}"
    return Statement(f"ALTER TABLE {quote(found.table)} {how}", Order.CREATE_CODE)


def create_routine(routine: Routine) -> Iterator[Statement]:
    yield Statement(routine.definition, Order.FUNCTIONS)


def drop_routine(routine: Routine) -> Iterator[Statement]:
    yield Statement(f"DROP {routine.kind} {routine.signature}", Order.DROP_CODE)


def change_routine(before: Routine, after: Routine) -> Iterator[Statement]:
    if (before.kind, before.result) != (after.kind, after.result):
        yield from drop_routine(before)
    yield from create_routine(after)


def create_view(view: View) -> Iterator[Statement]:
    yield Statement(view.definition, Order.CREATE_CODE)


def drop_view(view: View) -> Iterator[Statement]:
    yield Statement(f"DROP {view.kind} {quote(view.name)}", Order.DROP_CODE)


def change_view(before: View, after: View) -> Iterator[Statement]:
    yield from drop_view(before)
    yield from create_view(after)
