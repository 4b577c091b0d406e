"""How a model says that its table is partitioned by month, and the partition that takes all other rows."""

from sqlalchemy import Connection, Table, text

PARTITIONED_BY_MONTH = {"postgresql_partition_by": "RANGE (created_at)"}


def is_partitioned(table: Table) -> bool:
    return bool(table.dialect_options["postgresql"]["partition_by"])


def default_partition(table: str) -> str:
    """Return the name of the partition that takes the rows of every month that has none."""
    return f"{table}_default"


INDEXES = text(
    """
    SELECT own.relname::text AS name, replace(whole.relname, :table, :partition) AS wanted
    FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid
    JOIN pg_class AS own ON own.oid = indexrelid JOIN pg_class AS whole ON whole.oid = inhparent
    WHERE indrelid = to_regclass(:partition)
    """
)


def create_default_partition(connection: Connection, table: str) -> str:
    """Create the table's default partition, and return its name."""
    name = default_partition(table)
    connection.exec_driver_sql(f"CREATE TABLE {name} PARTITION OF {table} DEFAULT")
    name_indexes(connection, table, name)
    return name


def name_indexes(connection: Connection, table: str, partition: str) -> None:
    """Rename the partition's indexes after the table's, because PostgreSQL chooses names by chance."""
    for name, wanted in connection.execute(INDEXES, {"table": table, "partition": partition}).all():
        if name != wanted:
            connection.exec_driver_sql(f"ALTER INDEX {name} RENAME TO {wanted}")
