"""What a check has found."""

from collections.abc import Sequence

import msgspec

# The number of ids that a finding shows.
EXAMPLES = 5


class Finding(msgspec.Struct, frozen=True):
    """Something that is true of `rows` rows of a table; `ids` are a few of them. `rows` is 0 where it is no row's."""

    table: str
    told: str
    rows: int = 0
    ids: Sequence[str] = ()

    def __str__(self) -> str:
        shown = ", ".join(self.ids) + (", …" if self.rows > len(self.ids) else "")
        return f"{self.without_ids()}: {shown}" if self.ids else self.without_ids()

    def without_ids(self) -> str:
        """Return the text for people who need not find the rows."""
        counted = f" ({self.rows:,} {'row' if self.rows == 1 else 'rows'})" if self.rows else ""
        return f"{self.table}: {self.told}{counted}"


class Report(msgspec.Struct):
    """What a database holds for us. With a problem nothing can be taken over; notes are for the operator to know.

    `rows` are those to take over, or taken over, by our tables.
    """

    source: str
    problems: list[Finding] = []
    notes: list[Finding] = []
    rows: dict[str, int] = {}
    imported: bool = False
