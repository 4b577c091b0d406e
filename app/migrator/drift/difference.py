"""What a comparison finds, and the statements that would mend it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Kind(StrEnum):
    """The kinds of objects that are compared."""

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
    FUNCTION = "function"
    VIEW = "view"
    TRIGGER = "trigger"
    POLICY = "policy"
    RULE = "rule"


class Order(IntEnum):
    """When a statement runs: drops come first, and what something else needs comes before it."""

    DROP_CODE = 1
    DROP_FOREIGN_KEYS = 2
    DROP_CONSTRAINTS_AND_INDEXES = 3
    # Before anything is created: indexes of a table that was renamed keep their names.
    DROP_TABLES = 4
    TYPES = 5
    SEQUENCES = 6
    # Before the columns that are made by them.
    FUNCTIONS = 7
    TABLES_AND_COLUMNS = 8
    GENERATED_COLUMNS = 9
    CONSTRAINTS = 10
    # A column of a primary key cannot be NULL, and leaves it with the constraints.
    NULLABLE = 11
    INDEXES = 12
    FOREIGN_KEYS = 13
    DROP_COLUMNS = 14
    DROP_SEQUENCES_AND_TYPES = 15
    CREATE_CODE = 16
    COMMENTS = 17
    # When every trigger and function is there again.
    REPAIRS = 18


@dataclass(frozen=True)
class Statement:
    """A statement that mends a difference.

    `loses_data`: after it, or what has to run before it, rows or values may be gone or altered. `in_the_way` names what
    keeps the server from running it, such as views that use a column.
    """

    sql: str
    order: Order
    loses_data: bool = False
    in_the_way: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """An object that differs; `live` and `models` are its definitions; None if it does not exist there.

    `ddl` changes the database into what the models have. It is for this difference alone; `script` gives the order of
    several. `key` has the stored names of which `name` consists: mostly the table's and the object's, and also the
    present name of an object that is to be renamed.
    """

    kind: Kind
    name: str
    key: tuple[str, ...]
    live: str | None
    models: str | None
    ddl: tuple[Statement, ...]

    @property
    def loses_data(self) -> bool:
        return any(statement.loses_data for statement in self.ddl)


_SHOWN = 3


def shown(found: Sequence[Difference]) -> str:
    """Return the names of the first differences, for a message of one line."""
    names = ", ".join(f"{difference.kind} {difference.name}" for difference in found[:_SHOWN])
    return names + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")


def script(differences: Iterable[Difference]) -> list[Statement]:
    """Return the statements of all differences, each once, in the order to run them."""
    # Two differences may drop and create the same foreign key.
    every: dict[tuple[Order, str], Statement] = {}
    for statement in (statement for difference in differences for statement in difference.ddl):
        known = every.get((statement.order, statement.sql))
        # The one with fewer marks, which is to be run.
        if known is None or (known.loses_data, known.in_the_way) > (statement.loses_data, statement.in_the_way):
            every[statement.order, statement.sql] = statement
    return sorted(every.values(), key=lambda statement: statement.order)
