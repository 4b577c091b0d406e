"""Compare a database with a project: its models, and what its revisions make that no model knows."""

from dataclasses import dataclass

from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from ..autogenerate.mirrored_column import read_mirrored_column
from ..config import MigratorConfig
from ..revisions.loading import oldest_first
from ..sql.names import qualified
from ..sql.quoting import quote
from .catalogue import Schema
from .compare import compare
from .difference import Difference, Kind
from .include_filters import IncludeFilters, table_of
from .made_by_revisions import read_made_by
from .scratch_schema import both_schemas

_SHOWN = 3


@dataclass(frozen=True)
class Comparison:
    """Both schemas, and what differs.

    `not_compared` are differences of which nobody can say whether a revision has made them on purpose, since the SQL of
    the revisions `unreadable` cannot be known.
    """

    live: Schema
    models: Schema
    differences: list[Difference]
    not_compared: list[Difference]
    unreadable: tuple[str, ...] = ()

    def describe_not_compared(self) -> str:
        """Return a sentence about what was left out; empty if nothing was."""
        if not self.not_compared:
            return ""
        names = ", ".join(f"{found.kind} {found.name}" for found in self.not_compared)
        return f"Not compared, since no model knows it and {self._suspects()} may have made it: {names}."

    def _suspects(self) -> str:
        if not self.unreadable:
            return "a revision that names none of its constraints or indexes"
        more = len(self.unreadable) - _SHOWN
        shown = ", ".join(self.unreadable[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        return f"a revision whose SQL cannot be known ({shown})"


def _mirrors_column(found: Difference, live: Schema) -> bool:
    """Return whether it is the trigger of a renamed column, which no model knows, and which goes with the old one."""
    if found.kind is not Kind.TRIGGER or found.models is not None:
        return False
    table, name = found.key
    routine = live.routines.get(f"{quote(name)}()")
    mirrored = read_mirrored_column(routine.definition) if routine else None
    return mirrored is not None and mirrored.is_kept_by(qualified("", table), name)


def compare_with_project(connection: Connection, config: MigratorConfig, directory: ScriptDirectory) -> Comparison:
    """Compare the schema in which the connection creates tables. Raises what `both_schemas` raises."""
    live, models = both_schemas(connection, config.metadata)
    differences = [each for each in compare(live, models) if not _mirrors_column(each, live)]
    found = IncludeFilters(connection, config).included(differences, live, models)
    if config.models_are_complete or not found:
        return Comparison(live, models, found, [])
    made = read_made_by(oldest_first(directory))
    left = [each for each in found if not made.wants(each)]
    unknown = [each for each in left if made.may_have_made(each, table_of(each, live, models))]
    return Comparison(live, models, [each for each in left if each not in unknown], unknown, made.unreadable)
