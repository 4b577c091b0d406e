"""The rules about what a release needs while it is rolled out beside the previous one, and afterwards."""

from collections.abc import Collection, Iterator

from ..phase import Phase
from ..sql.effect import Effect, Kind
from .contract_steps import breaks_previous_release
from .finding import Hit
from .known_schema import Change, ParsedRevision
from .moved_columns import is_mirrored
from .project import Project

_ADDS = {Kind.ADD_COLUMN, Kind.CREATE_TABLE}
_NAMES_COLUMN = {Kind.DROP_COLUMN, Kind.RENAME_COLUMN}
_NAMES_TABLE = {Kind.DROP_TABLE, Kind.RENAME_TABLE, Kind.ATTACH_PARTITION}


def added_in_contract(revision: ParsedRevision) -> Iterator[Hit]:
    """Yield what a contract revision adds beside what makes it one, other than in the place of what it takes away."""
    if revision.phase is not Phase.CONTRACT or not _breaks_previous_release(revision):
        return
    taken = {
        (effect.table, effect.column if effect.kind in _NAMES_COLUMN else None)
        for effect in (change.effect for change in revision.changes)
        if effect.kind in _NAMES_COLUMN | _NAMES_TABLE
    }
    # A partition is read by the name of its table.
    partitions = [change.statement for change in revision.changes if change.effect.kind is Kind.CREATE_PARTITION]
    for change in revision.changes_of_old_tables(_ADDS):
        effect = change.effect
        if effect.may_exist or change.statement in partitions or (effect.table, effect.column) in taken:
            continue
        yield Hit(
            change.statement,
            f"{effect}: the release that needs it cannot start before this, and the previous one cannot run after it",
            "Add it in an expand revision, which comes before this one.",
        )


def _breaks_previous_release(revision: ParsedRevision) -> bool:
    added = {(c.effect.table, c.effect.column) for c in revision.changes if c.effect.kind is Kind.ADD_COLUMN}
    return any((c.effect.table, c.effect.column) not in added and breaks_previous_release(c) for c in revision.changes)


def dropped_but_used(revision: ParsedRevision, project: Project) -> Iterator[Hit]:
    """Yield the drops of what the models have, if no later step brings it back."""
    for change in _lasting_drops(revision, project):
        if _has(project.model_columns, change.effect):
            yield Hit(
                change.statement,
                f"{change.effect}: the models still have it, so that this release fails without it",
                "Take it out of the models in a release before this, or leave it.",
            )


def dropped_too_soon(revision: ParsedRevision, project: Project) -> Iterator[Hit]:
    """Yield the drops of what the base's models have, and these models no longer: no release was between.

    Beside a column that is kept equal to the old one, both releases run until the contract revisions.
    """
    for change in _lasting_drops(revision, project):
        effect = change.effect
        if effect.column and is_mirrored(effect.table, effect.column, revision, project):
            continue
        if _has(project.base_columns or (), change.effect) and not _has(project.model_columns, change.effect):
            yield Hit(
                change.statement,
                f"{change.effect}: the models of {project.base} still have it, and so the release that runs may use it",
                "Take it out of the models first, and drop it when a release without it has gone out.",
            )


def _lasting_drops(revision: ParsedRevision, project: Project) -> Iterator[Change]:
    # In an expand revision every drop is found already.
    if revision.phase is Phase.CONTRACT:
        for change in revision.changes_of_old_tables({Kind.DROP_TABLE, Kind.DROP_COLUMN}):
            if not _comes_back(change, revision, project):
                yield change


def _has(columns: Collection[tuple[str, str]], dropped: Effect) -> bool:
    if dropped.column:
        return (dropped.table, dropped.column) in columns
    return any(table == dropped.table for table, _ in columns)


def _comes_back(dropped: Change, revision: ParsedRevision, project: Project) -> bool:
    table, column = dropped.effect.table, dropped.effect.column
    later = [change for each in project.since(revision)[1:] for change in each.changes]
    at = next(place for place, change in enumerate(revision.changes) if change is dropped)
    for effect in (change.effect for change in [*revision.changes[at + 1 :], *later]):
        is_table = (effect.kind is Kind.CREATE_TABLE and effect.table == table) or (
            effect.kind is Kind.RENAME_TABLE and effect.renamed_to == table
        )
        is_column = effect.table == table and (
            (effect.kind is Kind.ADD_COLUMN and effect.column == column)
            or (effect.kind is Kind.RENAME_COLUMN and effect.renamed_to == column)
        )
        if is_table or (column and is_column):
            return True
    return False
