"""The rules about what a release needs while it is rolled out beside the previous one, and afterwards."""

from collections.abc import Iterator

from ..phase import Phase
from ..sql.effect import Kind
from .contract_steps import breaks_previous_release
from .finding import Hit
from .known_schema import Change, ParsedRevision
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
    """Yield the drops of what the models have, if no later step brings it back.

    In an expand revision every drop is found already.
    """
    if revision.phase is not Phase.CONTRACT:
        return
    drops = [*revision.changes_of_old_tables({Kind.DROP_TABLE, Kind.DROP_COLUMN})]
    for change in drops:
        effect = change.effect
        used = [column for table, column in sorted(project.model_columns) if table == effect.table]
        is_used = effect.column in used if effect.column else bool(used)
        if is_used and not _comes_back(change, revision, project):
            yield Hit(
                change.statement,
                f"{effect}: the models still have it, so that this release fails without it",
                "Take it out of the models in a release before this, or leave it.",
            )


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
