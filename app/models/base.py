"""The metadata with its naming convention, and the columns that every table starts with."""

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from advanced_alchemy.base import BasicAttributes
from sqlalchemy import Connection, DateTime, MetaData, Table, Text, event, func, types
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7

from app.migrator.partitions.tables import create_default_partition, is_partitioned

# PostgreSQL cuts identifiers off at 63 bytes; a test holds every name of the metadata to that.
NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


def utc_now() -> datetime:
    return datetime.now(UTC)


class Base(BasicAttributes, DeclarativeBase):
    """Base of every model.

    A column that is added to an existing table is declared last in its class: `ALTER TABLE` appends it, and the
    schema that `create_all` makes is held to be the one that the migrations make.
    """

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        # Under its own name in the schema's diagram.
        UUID: types.UUID,
        datetime: DateTime(timezone=True),
        # None is SQL's NULL, not JSON's null.
        dict[str, Any]: JSONB(none_as_null=True),
    }


class Identified:
    """A UUIDv7 key (RFC 9562): ids sort by the time at which they were made: new rows go to the end of the index."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7, sort_order=-30)


class Created:
    created_at: Mapped[datetime] = mapped_column(default=utc_now, server_default=func.now(), sort_order=-20)


class Timestamped(Created):
    """Times in UTC; `updated_at` changes with every flushed change of the row."""

    updated_at: Mapped[datetime] = mapped_column(
        default=utc_now, onupdate=utc_now, server_default=func.now(), sort_order=-10
    )


class CreatedInMonth(Created):
    """The time of rows in a table with `PARTITIONED_BY_MONTH`, whose key has to hold it."""

    created_at: Mapped[datetime] = mapped_column(
        primary_key=True, default=utc_now, server_default=func.now(), sort_order=-20
    )


@event.listens_for(Table, "after_create")
def _with_default_partition(table: Table, connection: Connection, **_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
    """Add a default partition, without which the table takes no row; a revision makes its own."""
    if table.metadata is Base.metadata and is_partitioned(table):
        create_default_partition(connection, table.name)
