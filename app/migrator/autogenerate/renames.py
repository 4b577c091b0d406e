"""Likely renames: what a comparison takes for a drop and an addition, and what a person says that it is.

A column that is gone beside a new one of the same table and type may have a new name. So may a table beside a new one
with similar columns, and its columns with it. Only a person knows, and without an answer nothing is written: a drop
would lose the data.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..drift.catalogue import Schema
from ..drift.difference import Difference, Kind
from ..lint.alike_tables import are_alike
from .rename_answers import Rename, RenameAnswers, RenameError, RenameUnansweredError

_FORM = "TABLE.OLD:NEW for a column, OLD_TABLE:NEW_TABLE for a table"


@dataclass(frozen=True)
class Decision:
    """The renames, and the pairs that are none."""

    renamed: tuple[Rename, ...] = ()
    not_renamed: tuple[Rename, ...] = ()

    @property
    def tables(self) -> tuple[Rename, ...]:
        return tuple(rename for rename in self.renamed if not rename.table)

    @property
    def columns(self) -> tuple[Rename, ...]:
        """The columns of tables that keep their names."""
        old = {table.old for table in self.tables}
        return tuple(rename for rename in self.renamed if rename.table and rename.table not in old)

    def columns_of(self, table: Rename) -> dict[str, str]:
        """Return the new names, by the old ones, of the columns of a table that has a new name itself."""
        return {rename.old: rename.new for rename in self.renamed if rename.table == table.old}


def decide(found: Iterable[Difference], live: Schema, models: Schema, answers: RenameAnswers) -> Decision:
    """Return what was renamed. Raises RenameError for a wrong answer, RenameUnansweredError for a missing one."""
    pairs = likely_renames(found, live, models)
    tables = [pair for pair in pairs if not pair.table and str(pair) in answers.renamed]
    pairs = sorted({*pairs, *(pair for table in tables for pair in _columns_within(table, live, models))})
    renamed = [_find(answer, "--rename", pairs, live, models) for answer in answers.renamed]
    denied = [_find(answer, "--not-renamed", pairs, live, models) for answer in answers.not_renamed]
    _require_no_contradiction(renamed, denied)
    decision = Decision(tuple(dict.fromkeys(renamed)), tuple(dict.fromkeys(denied)))
    left = [pair for pair in pairs if pair not in denied and not any(map(pair.overlaps, renamed))]
    for table in tables:
        _require_same_columns(table, decision, left, live, models)
    if left:
        raise RenameUnansweredError(left)
    return decision


def likely_renames(found: Iterable[Difference], live: Schema, models: Schema) -> list[Rename]:
    """Return the pairs of something that is gone and something alike that is new."""
    found = list(found)
    dropped, added = (
        [each for each in found if (each.models if is_drop else each.live) is None and each.kind in _KINDS]
        for is_drop in (True, False)
    )
    return sorted(
        Rename(old.key[0] if old.kind is Kind.COLUMN else "", old.key[-1], new.key[-1])
        for old in dropped
        for new in added
        if old.kind is new.kind and _is_likely(old, new, live, models)
    )


_KINDS = {Kind.TABLE, Kind.COLUMN}


def _is_likely(old: Difference, new: Difference, live: Schema, models: Schema) -> bool:
    before, after = _types_of(live, old.key[0]), _types_of(models, new.key[0])
    if old.kind is Kind.TABLE:
        return are_alike(before, after)
    return old.key[0] == new.key[0] and before[old.key[1]] == after[new.key[1]]


def _types_of(schema: Schema, table: str) -> dict[str, str]:
    columns = schema.tables[table].columns.values()
    return {column.name: " ".join(filter(None, (column.type, column.generated))) for column in columns}


def _columns_within(table: Rename, live: Schema, models: Schema) -> list[Rename]:
    """Return the likely renames of columns of a table that has a new name itself."""
    before, after = _types_of(live, table.old), _types_of(models, table.new)
    old, new = before.keys() - after.keys(), after.keys() - before.keys()
    return [Rename(table.old, one, other) for one in old for other in new if before[one] == after[other]]


def _require_same_columns(
    table: Rename, decision: Decision, left: Sequence[Rename], live: Schema, models: Schema
) -> None:
    """Raise RenameError if the table's columns differ in more than what was, or may be, renamed."""
    names = decision.columns_of(table)
    before = {names.get(name, name): kind for name, kind in _types_of(live, table.old).items()}
    after = _types_of(models, table.new)
    other = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    asked = [pair for pair in left if pair.table == table.old]
    if other - {pair.old for pair in asked} - {pair.new for pair in asked}:
        raise RenameError(
            f"--rename {table}: {table.old} and {table.new} differ in {', '.join(sorted(other))}: rename first, and"
            " change columns later."
        )


def _find(answer: str, option: str, pairs: Sequence[Rename], live: Schema, models: Schema) -> Rename:
    pair = next((pair for pair in pairs if answer in {str(pair), f"{pair.old_path}:{pair.table}.{pair.new}"}), None)
    if pair is not None:
        return pair
    likely = f"The likely renames are: {', '.join(map(str, pairs))}." if pairs else "There is no likely rename."
    raise RenameError(f"{option} {answer}: {_why_not(answer, live, models)}. {likely}")


def _why_not(answer: str, live: Schema, models: Schema) -> str:
    old, colon, new = answer.partition(":")
    table, dot, column = old.rpartition(".")
    if not (colon and old and new):
        return f"it is {_FORM}"
    if not dot:
        return _why_no_table(old, new, live, models)
    new = new.removeprefix(f"{table}.")
    if table not in live.tables or column not in live.tables[table].columns:
        return f"the database has no column {old}"
    if table not in models.tables or new not in models.tables[table].columns:
        return f"the models have no column {table}.{new}"
    before, after = live.tables[table].columns[column], models.tables[table].columns[new]
    if before.type != after.type:
        return f"{old} is {before.type}, and {table}.{new} is {after.type}: rename first, and change the type later"
    return f"the models still have {old}, or the database has {table}.{new} already"


def _why_no_table(old: str, new: str, live: Schema, models: Schema) -> str:
    if old not in live.tables:
        return f"the database has no table {old}"
    if new not in models.tables:
        return f"the models have no table {new}"
    before, after = _types_of(live, old), _types_of(models, new)
    other = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if other:
        return f"they differ in {', '.join(other)}: rename first, and change columns later"
    return f"the models still have {old}, or no revision of this project has made it, or {new} is there already"


def _require_no_contradiction(renamed: Sequence[Rename], denied: Sequence[Rename]) -> None:
    for position, pair in enumerate(renamed):
        others = [other for other in renamed[position + 1 :] if other != pair and pair.overlaps(other)]
        if others or pair in denied:
            second = f"--rename {others[0]}" if others else f"--not-renamed {pair}"
            raise RenameError(f"--rename {pair} and {second} cannot both be: leave one of them out.")
