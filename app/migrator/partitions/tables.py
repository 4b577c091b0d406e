"""How a model says that its table is partitioned by month, and the partition that takes all other rows."""

from sqlalchemy import Connection, Table, text

from ..sql.quoting import quote

PARTITIONED_BY_MONTH = {"postgresql_partition_by": "RANGE (created_at)"}


def is_partitioned(table: Table) -> bool:
    return bool(table.dialect_options["postgresql"]["partition_by"])


def default_partition(table: str) -> str:
    """Return the name of the partition that takes the rows of every month that has none."""
    return f"{table}_default"


def name_on_partition(index: str, table: str, partition: str) -> str:
    """Return SQL for the name of a partition's index, made of the table's; the arguments are SQL for these names."""
    whole = (
        f"SELECT CASE WHEN strpos({index}, {table}) > 0 THEN replace({index}, {table}, {partition})"
        f" ELSE {partition} || '_' || {index} END"
    )
    # No longer than the server keeps.
    short = "CASE WHEN octet_length(name) < 64 THEN name ELSE left(name, 54) || '_' || left(md5(name), 8) END"
    return f"(SELECT {short} FROM ({whole}) AS names (name))"  # noqa: S608 - constants


INDEXES = text(
    f"""
    SELECT own.relname::text AS name,
           {name_on_partition("whole.relname", "CAST(:table AS text)", "CAST(:partition AS text)")} AS wanted
    FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid
    JOIN pg_class AS own ON own.oid = indexrelid JOIN pg_class AS whole ON whole.oid = inhparent
    WHERE indrelid = to_regclass(quote_ident(:partition))
    """  # noqa: S608 - constants
)


def create_default_partition(connection: Connection, table: str) -> str:
    """Create the table's default partition, and return its name."""
    name = default_partition(table)
    connection.exec_driver_sql(f"CREATE TABLE {quote(name)} PARTITION OF {quote(table)} DEFAULT")
    name_indexes(connection, table, name)
    return name


def name_indexes(connection: Connection, table: str, partition: str) -> None:
    """Rename the partition's indexes after the table's, because PostgreSQL chooses names by chance."""
    for name, wanted in connection.execute(INDEXES, {"table": table, "partition": partition}).all():
        if name != wanted:
            connection.exec_driver_sql(f"ALTER INDEX {quote(name)} RENAME TO {quote(wanted)}")
