"""What a comparison finds, and the statements that would mend it."""

from collections.abc import Iterable, Sequence
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
    FUNCTION = "function"
    VIEW = "view"
    TRIGGER = "trigger"
    POLICY = "policy"
    RULE = "rule"


class Order(IntEnum):
    """When a statement runs: what is in the way goes first, and what something else rests on comes before it."""

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
    # Once everything counts again that does.
    REPAIRS = 18


@dataclass(frozen=True)
class Statement:
    """`loses_data`: what a table or column holds may be gone or altered after it, or that is a condition of it.

    `in_the_way` names what keeps the server from running it: views that use a column and the like.
    """

    sql: str
    order: Order
    loses_data: bool = False
    in_the_way: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """`live` and `models` are the object's definition on either side; None where it does not exist there.

    `ddl` takes the database to the models. It is for one difference alone; of several, `script` gives the order.
    `key` has the names that make up `name` as they are stored: in most cases the table's, and the object's;
    of one that is to be renamed its present one, too.
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
    """Name the first differences, for a message of one line."""
    names = ", ".join(f"{difference.kind} {difference.name}" for difference in found[:_SHOWN])
    return names + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")


def script(differences: Iterable[Difference]) -> list[Statement]:
    """The statements of all differences, each once, so that they can be run from the first to the last."""
    # Two differences may want the same foreign key out of their way, and back.
    every: dict[tuple[Order, str], Statement] = {}
    for statement in (statement for difference in differences for statement in difference.ddl):
        known = every.get((statement.order, statement.sql))
        # Of two, the one that is to be run.
        if known is None or (known.loses_data, known.in_the_way) > (statement.loses_data, statement.in_the_way):
            every[statement.order, statement.sql] = statement
    return sorted(every.values(), key=lambda statement: statement.order)
