"""Whether the values of a column that is dropped are in another one by then."""

from collections.abc import Iterable

from ..backfill.definition import BATCH, required_backfills
from ..sql.effect import Kind
from ..sql.names import qualified
from ..sql.tokens import UnreadableSqlError, scan
from .known_schema import Change, ParsedRevision
from .project import Project


def is_mirrored(
    table: str, old: str | None, revision: ParsedRevision, project: Project, *, new: str | None = None
) -> bool:
    """Return whether a trigger has kept two columns equal until this revision, and the rows from before were filled.

    With `new` None it may be any column that mirrors the old one.
    """
    mirrors = revision.before[0].mirrored(table) if revision.before else {}
    if old not in mirrors.values() if new is None else mirrors.get(new) != old:
        return False
    earlier = project.before(revision)
    made = max(
        position
        for position, each in enumerate(earlier)
        if any(_mirrors(change, table, old) for change in each.changes)
    )
    return is_filled(table, {old or ""}, [*earlier[made:], revision], project)


def _mirrors(change: Change, table: str, old: str | None) -> bool:
    effect = change.effect
    return effect.kind is Kind.MIRROR_COLUMN and (effect.table, effect.renamed_to) == (table, old)


def is_filled(table: str, names: set[str], revisions: Iterable[ParsedRevision], project: Project) -> bool:
    """Return whether one of the revisions requires a backfill of the table that has these names in its update."""
    required = {name for each in revisions for name in required_backfills(each.script)}
    found = [backfill for name, backfill in project.backfills.items() if name in required] if required else []
    return any(qualified("", each.table) == table and names <= _names(each.update) for each in found)


def _names(update: str) -> set[str]:
    try:
        return {word.name for word in scan(update.replace(BATCH, "true")) if word.is_name}
    except UnreadableSqlError:
        return set()
