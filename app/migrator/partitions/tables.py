"""How a model says that its table is partitioned by month, and the partition that takes all other rows."""

from sqlalchemy import Connection, Table, text

PARTITIONED_BY_MONTH = {"postgresql_partition_by": "RANGE (created_at)"}


def is_partitioned(table: Table) -> bool:
    return bool(table.dialect_options["postgresql"]["partition_by"])


def default_partition(table: str) -> str:
    """The name of the partition that takes every row whose month has none."""
    return f"{table}_default"


_INDEXES = text(
    """
    SELECT own.relname::text AS name, replace(whole.relname, :table, :partition) AS wanted
    FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid
    JOIN pg_class AS own ON own.oid = indexrelid JOIN pg_class AS whole ON whole.oid = inhparent
    WHERE indrelid = to_regclass(:partition)
    """
)


def create_default_partition(connection: Connection, table: str) -> str:
    """Its name."""
    name = default_partition(table)
    connection.exec_driver_sql(f"CREATE TABLE {name} PARTITION OF {table} DEFAULT")
    name_indexes(connection, table, name)
    return name


def name_indexes(connection: Connection, table: str, partition: str) -> None:
    """As those of the table: which of two gets which name is else a matter of chance."""
    for name, wanted in connection.execute(_INDEXES, {"table": table, "partition": partition}).all():
        if name != wanted:
            connection.exec_driver_sql(f"ALTER INDEX {name} RENAME TO {wanted}")
