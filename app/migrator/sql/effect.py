"""What a statement can do to tables and columns."""

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of effects; a statement may have several.

    A new column that is NOT NULL has ADD_COLUMN and SET_NOT_NULL, one with a default ADD_COLUMN and SET_DEFAULT. A
    constraint that also holds for the rows that exist has ADD_… and VALIDATE. ADD_NOT_NULL_CHECK adds the constraint
    `CHECK (column IS NOT NULL)`. A partitioned table has CREATE_TABLE and PARTITION_TABLE. A column that every row gets
    a value of its own in has ADD_COLUMN and REWRITE. A trigger that keeps two columns equal is MIRROR_COLUMN: `column`
    is the new one, `renamed_to` the old one. USE_INDEX makes a primary key of an index, whose columns become NOT NULL.
    """

    CREATE_TABLE = "create table"
    PARTITION_TABLE = "partition table"
    CREATE_PARTITION = "create partition of"
    DROP_TABLE = "drop table"
    RENAME_TABLE = "rename table"
    ADD_COLUMN = "add column"
    DROP_COLUMN = "drop column"
    RENAME_COLUMN = "rename column"
    CHANGE_TYPE = "change type"
    SET_NOT_NULL = "set not null"
    DROP_NOT_NULL = "drop not null"
    SET_DEFAULT = "set default"
    DROP_DEFAULT = "drop default"
    ADD_CONSTRAINT = "add constraint"
    ADD_NOT_NULL_CHECK = "add not null check"
    VALIDATE = "validate constraint"
    DROP_CONSTRAINT = "drop constraint"
    RENAME_CONSTRAINT = "rename constraint"
    ALTER_CONSTRAINT = "alter constraint"
    USE_INDEX = "primary key using index"
    ADD_INDEX = "create index"
    ADD_UNIQUE_INDEX = "create unique index"
    DROP_INDEX = "drop index"
    RENAME_INDEX = "rename index"
    CREATE_OTHER = "create"
    DROP_OTHER = "drop"
    RENAME_OTHER = "rename"
    CREATE_TRIGGER = "create trigger"
    MIRROR_COLUMN = "mirror column"
    LOCK = "lock table"
    REWRITE = "rewrite"
    ATTACH_PARTITION = "attach partition"
    TRUNCATE = "truncate"
    DELETE = "delete rows"
    UPDATE = "update rows"
    OPAQUE = "a block of code"


# After these, what the table or column held is gone.
LOSES_DATA = frozenset({Kind.DROP_TABLE, Kind.DROP_COLUMN, Kind.TRUNCATE, Kind.DELETE})
# Earlier releases no longer find these, or not as they know them.
REMOVES = LOSES_DATA | {
    Kind.DROP_OTHER,
    Kind.RENAME_TABLE,
    Kind.RENAME_COLUMN,
    Kind.RENAME_OTHER,
    Kind.CHANGE_TYPE,
}


@dataclass(frozen=True)
class Effect:
    """One effect of a statement. Names are as PostgreSQL stores them, with the schema unless that is `public`.

    `table` is the object in the kinds …_OTHER, the partition in ATTACH_PARTITION, the partitioned table in
    CREATE_PARTITION, and empty in DROP_INDEX and RENAME_INDEX, because the statement does not say it.

    `name` is that of a constraint (empty: PostgreSQL chooses one), a trigger or an index. `columns` are the columns of
    a constraint or index; none if it has more than columns, or forbids what NULL is. In CREATE_TABLE they are those
    that are NOT NULL. `renamed_to` is the new name in the kinds RENAME_….

    `code` is the last string in CREATE_OTHER, such as the body of a function, and the name of the function in
    CREATE_TRIGGER.

    `may_exist`: there may have been something of this name before (IF NOT EXISTS, a temporary table).

    `drops_more`: in DROP_OTHER, tables may go with the object.
    """

    kind: Kind
    table: str
    column: str | None = None
    renamed_to: str | None = None
    name: str | None = None
    columns: tuple[str, ...] = ()
    code: str = field(default="", compare=False)
    may_exist: bool = False
    drops_more: bool = field(default=False, compare=False)

    @property
    def may_lose_data(self) -> bool:
        """Tell whether data may be gone: a change of type may cut values, and code may do anything."""
        return self.drops_more or self.kind in {Kind.OPAQUE, Kind.CHANGE_TYPE}

    def __str__(self) -> str:
        what = f"{self.table}.{self.column}" if self.column else self.table
        named = " on ".join(filter(None, (self.name, what)))
        return f"{self.kind} {named}" + (f" to {self.renamed_to}" if self.renamed_to else "")
