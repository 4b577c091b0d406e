"""The locks that a statement is said to take are those that it takes: compared with `pg_locks` of a real run.

Each line of the table is run on PostgreSQL, in a transaction that is rolled back, while another session looks at the
locks. The dry run and the linter read the same function.
"""

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from app.migrator.lint.known_schema import Change, KnownSchema
from app.migrator.preview.row_work import Work, row_work
from app.migrator.sql.reader import read_statement
from app.migrator.sql.tokens import statements_of
from tests.conftest import cloned
from tests.support.database import unpooled
from tests.support.locking_statements import (
    ALONE,
    AT_MOST,
    STATEMENTS,
    Shop,
    furnished_shop,
    mode_in_words,
    said,
    taken,
)
from tests.support.waiting import PATIENCE

WITH_WORK = ("ALTER TABLE", "ALTER DOMAIN", "CREATE INDEX", "CREATE UNIQUE INDEX", "CLUSTER")
# The tables of the files, and those that this session has scanned.
_FILES = text(
    "SELECT oid, pg_relation_filenode(oid) AS file, relname FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm')"
)
_READ = text("SELECT relname FROM pg_stat_xact_user_tables WHERE seq_scan > 0")


@pytest.fixture(scope="module")
def shop(server_url: str, administer: Callable[[str], None]) -> Iterator[Shop]:
    with cloned(server_url, administer, "template1") as url, furnished_shop(url) as made:
        yield made


def said_work(shop: Shop, statement: str) -> dict[Work, set[str]]:
    (read,) = statements_of(statement)
    changes = [Change(read, effect, KnownSchema()) for effect in read_statement(read)]
    found = defaultdict(set)
    for work in row_work(read, changes, shop.catalogue.relations):
        # A partitioned table has no rows of its own.
        if work.table not in shop.catalogue.relations.children or work.table == "parent":
            found[work.work].add(work.table)
    return found


def referenced(shop: Shop, statement: str) -> set[str]:
    """The tables in which the server looks for what the foreign keys of the altered table name."""
    relations = shop.catalogue.relations
    altered = re.findall(r"ALTER TABLE (?:ONLY )?(\w+)", statement)
    named = [key.referenced for table in altered for key in relations.keys_of(table)]
    named += re.findall(r"REFERENCES (\w+)", statement)
    return {each for table in named for each in relations.with_children(table)}


@pytest.mark.parametrize("line", [line for line in STATEMENTS if not line.startswith(ALONE)])
def test_statement_takes_the_locks_that_are_said(shop: Shop, line: str) -> None:
    statement = line.removeprefix(AT_MOST)
    found = taken(shop, statement)
    if line.startswith(AT_MOST):
        assert found.items() <= said(shop, statement).items()
    else:
        assert said(shop, statement) == found


@pytest.mark.parametrize("line", [line for line in STATEMENTS if line.startswith(ALONE)])
def test_statement_outside_of_a_transaction_waits_for_the_lock_that_is_said(shop: Shop, line: str) -> None:
    """`table: statement`: somebody holds the table, so that the statement waits for it."""
    table, _, statement = line.removeprefix(ALONE).partition(": ")
    with (
        unpooled(shop.url).connect() as holder,
        unpooled(shop.url).connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        holder.exec_driver_sql(f"LOCK {table} IN SHARE UPDATE EXCLUSIVE MODE")
        pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
        running = threading.Thread(target=_run_until_cancelled, args=(connection, statement))
        running.start()
        waits_for = text("SELECT mode FROM pg_locks WHERE pid = :pid AND NOT granted AND locktype = 'relation'")
        mode = None
        while mode is None and running.is_alive():
            mode = holder.scalar(waits_for, {"pid": pid})
        holder.execute(text("SELECT pg_cancel_backend(:pid)"), {"pid": pid})
        running.join(PATIENCE)
        holder.rollback()
    assert said(shop, statement)[table] == mode_in_words(str(mode))


def _run_until_cancelled(connection: Connection, statement: str) -> None:
    with suppress(OperationalError):
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("line", [line for line in STATEMENTS if line.startswith(WITH_WORK)])
def test_statement_reads_and_rewrites_the_tables_that_are_said(shop: Shop, line: str) -> None:
    """As the server counts scans of whole tables, and gives a table that is written anew another file."""
    with unpooled(shop.url).connect() as connection:
        files = {row.oid: row.file for row in connection.execute(_FILES)}
        connection.exec_driver_sql(line)
        read = set(connection.scalars(_READ))
        rewritten = {row.relname for row in connection.execute(_FILES) if files.get(row.oid, row.file) != row.file}
        connection.rollback()
    work = said_work(shop, line)
    assert work[Work.REWRITTEN] == rewritten
    # A foreign key is looked for in the table that it refers to, by its index or not.
    assert work[Work.READ] - rewritten == read - rewritten - referenced(shop, line)
