"""What a comparison finds, and the statements that would mend it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Kind(StrEnum):
    TABLE = "table"
    COLUMN = "column"
    INDEX = "index"
    PRIMARY_KEY = "primary key"
    UNIQUE = "unique constraint"
    FOREIGN_KEY = "foreign key"
    CHECK = "check constraint"
    EXCLUSION = "exclusion constraint"
    SEQUENCE = "sequence"
    ENUM = "enum"


class Order(IntEnum):
    """When a statement runs: what is in the way goes first, and what something else rests on comes before it."""

    DROP_FOREIGN_KEYS = 1
    DROP_CONSTRAINTS_AND_INDEXES = 2
    # Before anything is created: indexes of a table that was renamed keep their names.
    DROP_TABLES = 3
    TYPES = 4
    SEQUENCES = 5
    TABLES_AND_COLUMNS = 6
    CONSTRAINTS = 7
    INDEXES = 8
    FOREIGN_KEYS = 9
    DROP_COLUMNS = 10
    DROP_SEQUENCES_AND_TYPES = 11


@dataclass(frozen=True)
class Statement:
    """`loses_data`: what a table or column holds may be gone or altered after it."""

    sql: str
    order: Order
    loses_data: bool = False


@dataclass(frozen=True)
class Difference:
    """`live` and `models` are the object's definition on either side; None where it does not exist there.

    `ddl` takes the database to the models. It is for one difference alone; of several, `script` gives the order.
    """

    kind: Kind
    name: str
    live: str | None
    models: str | None
    ddl: tuple[Statement, ...]

    @property
    def loses_data(self) -> bool:
        return any(statement.loses_data for statement in self.ddl)


def script(differences: Iterable[Difference]) -> list[Statement]:
    """The statements of all differences, each once, so that they can be run from the first to the last."""
    # Two differences may want the same foreign key out of their way, and back.
    every = {(s.order, s.sql): s for difference in differences for s in difference.ddl}
    return sorted(every.values(), key=lambda statement: statement.order)
