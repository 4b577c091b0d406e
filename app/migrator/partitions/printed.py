"""The SQL that makes missing partitions in a script that somebody else runs, on a day that only the server knows."""

from sqlalchemy import MetaData

from ..command_names import command
from ..sql.quoting import quote_literal
from .ddl import REFERRED_TO
from .state import MONTHS_AHEAD, PARTITIONS
from .tables import INDEXES, default_partition, is_partitioned

_TAG = "$plimsoll$"
_MAKE = "pg_temp.plimsoll_partitions"


def partitioned_tables(metadata: MetaData) -> list[str]:
    """Return the names of the tables that the models partition by month."""
    return [str(table.name) for table in metadata.tables.values() if is_partitioned(table)]


def call_maker(table: str) -> str:
    """Return the call that makes the partitions of the table; nothing, where the database has not partitioned it."""
    return f"CALL {_MAKE}({quote_literal(table)}, {quote_literal(default_partition(table))})"


def define_maker() -> str:
    """Return the procedure that makes what `make_missing_partitions` makes by itself, with the same names and bounds.

    Where the default partition holds rows, whose move is not for a script, it warns and makes none.
    """
    has_rows = "RAISE WARNING USING MESSAGE = format('%I holds rows: no partition of a month is made', its_default)"
    hint = quote_literal(f"Run: {command('partitions')} --apply")
    return f"""CREATE OR REPLACE PROCEDURE {_MAKE}(its_name text, its_default text) LANGUAGE plpgsql AS {_TAG}
DECLARE
    one record;
    part text;
    since timestamp;
    until timestamp;
    holds_rows boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(its_name) AND relkind = 'p') THEN
        RETURN;
    END IF;
    SELECT * INTO one FROM ({_with_names(PARTITIONS.text)}) AS partitions WHERE is_default;
    IF FOUND THEN
        its_default := one.name;
    ELSE
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', its_default, its_name);
        {_name_indexes("its_default")}
    END IF;
    FOR ahead IN 0..{MONTHS_AHEAD} LOOP
        -- In UTC, whatever the session's time zone is.
        since := date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead);
        until := since + interval '1 month';
        CONTINUE WHEN EXISTS (
            SELECT FROM ({_with_names(PARTITIONS.text)}) AS partitions
            WHERE NOT is_default AND coalesce(begin < until AT TIME ZONE 'UTC', true)
                AND coalesce("end" > since AT TIME ZONE 'UTC', true)
        );
        -- Requests lock it first, too.
        FOR one IN {_with_names(REFERRED_TO.text)} LOOP
            EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', one.name);
        END LOOP;
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', its_default);
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', its_default) INTO holds_rows;
        IF holds_rows THEN
            {has_rows}, HINT = {hint};
            RETURN;
        END IF;
        part := its_name || to_char(since, '_YYYY_MM');
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING STORAGE)', part, its_name);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            its_name, part, since AT TIME ZONE 'UTC', until AT TIME ZONE 'UTC');
        {_name_indexes("part")}
    END LOOP;
END {_TAG}"""  # noqa: S608 - constants, and quoted


def _name_indexes(variable: str) -> str:
    """Return the loop that names the partition's indexes after the table's."""
    indexes = INDEXES.text.replace(":table", "its_name").replace(":partition", variable)
    return f"""FOR one IN {indexes} LOOP
            IF one.name <> one.wanted THEN
                EXECUTE format('ALTER INDEX %I RENAME TO %I', one.name, one.wanted);
            END IF;
        END LOOP;"""


def _with_names(query: str) -> str:
    return query.strip().replace(":name", "its_name")
