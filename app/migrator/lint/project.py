"""What surrounds a revision that is linted: the other revisions, the backfills and the models."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property

from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

from ..backfill.definition import Backfill, load_backfills
from ..revisions.baselines import is_baseline
from ..sql.names import qualified
from .column_types import ColumnTypes, Types
from .known_schema import ParsedRevision


@dataclass(frozen=True)
class Project:
    """All revisions, oldest first, those of them that a database lacks, and the models.

    `base_columns` are the columns that the models have where the branch has left `base`, each with its table as effects
    have it; None where there is no base, or nobody knows.
    """

    directory: ScriptDirectory
    metadata: MetaData
    revisions: tuple[ParsedRevision, ...]
    pending: Set[str] = field(default_factory=frozenset)
    base: str = ""
    base_columns: Set[tuple[str, str]] | None = None

    @cached_property
    def backfills(self) -> Mapping[str, Backfill]:
        """The backfills by name. Raises MigrationFailedError."""
        return load_backfills(self.directory)

    @cached_property
    def model_columns(self) -> Set[tuple[str, str]]:
        """The columns that the models have, each with its table as effects have it."""
        tables = {qualified(table.schema or "", table.name): table for table in self.metadata.tables.values()}
        return {(name, column.name) for name, table in tables.items() for column in table.columns}

    @cached_property
    def types(self) -> ColumnTypes:
        """The types of the columns that the revisions make."""
        return ColumnTypes(self.revisions)

    def types_before(self, revision: ParsedRevision) -> Types:
        """Return the types of the columns that earlier revisions have made; it holds until it is asked again."""
        return self.types.after(self._position(revision))

    def before(self, revision: ParsedRevision) -> tuple[ParsedRevision, ...]:
        return self.revisions[: self._position(revision)]

    def since(self, revision: ParsedRevision) -> tuple[ParsedRevision, ...]:
        """Return the revision and all that come after it."""
        return self.revisions[self._position(revision) :]

    def beside(self, revision: ParsedRevision) -> Iterator[ParsedRevision]:
        """Yield, oldest first, those that an upgrade is likely to apply together with the revision, and itself."""
        here = self._position(revision)
        is_pending = revision.script.revision in self.pending
        for position, other in enumerate(self.revisions):
            # A baseline runs in an empty database, where there is nothing to lose.
            if is_baseline(other.script):
                continue
            if abs(position - here) <= 1 or (is_pending and other.script.revision in self.pending):
                yield other

    def _position(self, revision: ParsedRevision) -> int:
        return self._positions[revision.script.revision]

    @cached_property
    def _positions(self) -> Mapping[str, int]:
        return {revision.script.revision: position for position, revision in enumerate(self.revisions)}
