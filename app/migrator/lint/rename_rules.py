"""The rule about renames that are written as a drop and an addition, after which the data are gone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..command_names import command
from ..sql.effect import Kind
from ..sql.tokens import Statement
from .alike_tables import are_alike
from .column_types import Types
from .finding import Hit
from .known_schema import Change, ParsedRevision
from .moved_columns import is_filled, is_mirrored
from .project import Project

_RECIPE = (
    "If it has a new name: `{rename}` writes a new column, a trigger that keeps both equal, and the backfill. Two"
    " different things: lint_ignore, with that as the reason."
)
_SWAP = (
    "Keep both equal until here by the trigger that `{command}` writes with a new column, fill the old rows by its"
    " backfill, and drop trigger and column here."
)


@dataclass(frozen=True)
class _Addition:
    """A column, or a table (`column` is None), that a revision adds."""

    revision: ParsedRevision
    table: str
    column: str | None
    alike: str = "the same type"


def rename_loses_data(revision: ParsedRevision, project: Project) -> Iterator[Hit]:
    """Yield the drops beside which something alike is added, and columns that take a dropped one's place."""
    yield from _swaps(revision, project)
    drops = [*_drops(revision)]
    beside = [*project.beside(revision)] if drops else []
    new = {other: types for other in beside if (types := project.types.added_by(other))}
    if not new:
        return
    old = project.types_before(revision)
    for change in drops:
        for added in _alike(change, old, new):
            if not _is_moved(change, added, revision, project):
                yield _hit(change, added)


def _drops(revision: ParsedRevision) -> Iterator[Change]:
    """Yield the drops of what an earlier revision has made."""
    for change in revision.changes_of_old_tables({Kind.DROP_TABLE, Kind.DROP_COLUMN}):
        if (change.effect.table, change.effect.column) not in change.before.columns:
            yield change


def _swaps(revision: ParsedRevision, project: Project) -> Iterator[Hit]:
    """Yield the renamings of a column to the name of one that this revision drops, if they were not kept equal."""
    dropped: set[tuple[str, str | None]] = set()
    for change in revision.changes_of_old_tables({Kind.DROP_COLUMN, Kind.RENAME_COLUMN}):
        effect = change.effect
        if effect.kind is Kind.DROP_COLUMN:
            dropped.add((effect.table, effect.column))
            continue
        is_swap = (effect.table, effect.renamed_to) in dropped
        if is_swap and not is_mirrored(effect.table, effect.renamed_to, revision, project, new=effect.column):
            yield Hit(
                change.statement,
                f"{effect}: what was written into the dropped column since the new one was filled is gone",
                _SWAP.format(command=command("make-migrations")),
            )


def _alike(change: Change, old: Types, added: Mapping[ParsedRevision, Types]) -> Iterator[_Addition]:
    """Yield what the revisions add that has the type of what is dropped, or columns like it."""
    table, column = change.effect.table, change.effect.column
    for other, new in added.items():
        if column is not None:
            kind = old.get((table, column))
            alike = [name for (of, name), its in new.items() if of == table and name != column and its == kind]
            yield from (_Addition(other, table, name) for name in alike)
        else:
            columns = _columns(table, old)
            made = {each.effect.table for each in other.changes if each.effect.kind is Kind.CREATE_TABLE}
            for name in sorted(made - {table}):
                if columns and are_alike(columns, its := _columns(name, new)):
                    yield _Addition(other, name, None, "the same columns" if its == columns else "similar columns")


def _columns(table: str, types: Types) -> Mapping[str, str]:
    return {column: kind for (of, column), kind in types.items() if of == table}


def _is_moved(change: Change, added: _Addition, revision: ParsedRevision, project: Project) -> bool:
    """Return whether the data were copied, to what was added or to a column that mirrors the dropped one."""
    dropped = change.effect
    if is_mirrored(dropped.table, dropped.column, revision, project):
        return True
    names = {added.column or added.table, dropped.column or dropped.table}
    between = [each for each in project.since(added.revision) if each in {*project.before(revision), revision}]
    return is_filled(dropped.table, names, between, project) or any(
        _copies(statement, names) for each in between for statement in each.statements
    )


def _copies(statement: Statement, names: set[str]) -> bool:
    return statement.head in {"UPDATE", "INSERT", "MERGE", "WITH"} and names <= {
        word.name for word in statement.words if word.is_name
    }


def _hit(change: Change, added: _Addition) -> Hit:
    dropped, is_table = change.effect, added.column is None
    new = added.table if is_table else f"{added.table}.{added.column}"
    old = dropped.table if is_table else f"{dropped.table}.{dropped.column}"
    rename = f"{command('make-migrations')} --rename {old}:{added.column or added.table}"
    return Hit(
        change.statement,
        f"{dropped}, and {new} with {added.alike} is new: if that is its new name, its data are gone",
        _RECIPE.format(rename=rename),
    )
