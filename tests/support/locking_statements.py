"""Statements of every kind, the locks that they are said to take, and those that they take on a server."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from alembic import op
from alembic.script import Script
from sqlalchemy import Connection, text

from app.migrator.lint.known_schema import parse_revisions
from app.migrator.preview.catalogue import Catalogue, read_catalogue
from app.migrator.preview.effects import effects_here
from tests.support.database import unpooled

SCHEMA, _, LINES = (
    Path(__file__).with_name("locking_statements.txt").read_text(encoding="utf-8").partition("-- Statements\n")
)
STATEMENTS = [line for line in LINES.splitlines() if line and not line.startswith("--")]
# They cannot run in a transaction; what they wait for shows which lock they take.
ALONE = "alone: "
# What it locks is decided row by row, or by the values.
AT_MOST = "at most: "
_NAMES = text(
    "SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('i', 'I', 'c')"
)
_LOCKS = text(
    "SELECT relation, mode FROM pg_locks WHERE locktype = 'relation' AND pid = :pid"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_WEAKEST_FIRST = [
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
]


class Shop(NamedTuple):
    """A database with tables of every kind, and what the catalogue says of it."""

    url: str
    catalogue: Catalogue
    names: dict[int, str]
    observer: Connection


@contextmanager
def furnished_shop(url: str, schema: str = SCHEMA) -> Iterator[Shop]:
    """Make the tables in an empty database."""
    with unpooled(url).begin() as connection:
        connection.exec_driver_sql(schema)
    with unpooled(url).connect() as connection:
        names = {row.oid: row.relname for row in connection.execute(_NAMES)}
        yield Shop(url, read_catalogue(connection), names, connection)


def said(shop: Shop, statement: str) -> dict[str, str]:
    """The locks that the dry run of a revision with this statement names."""
    module = ModuleType("revision")
    vars(module).update(phase="expand", down_revision=None, upgrade=lambda: op.execute(statement))
    parsed = parse_revisions([Script(module, "revision", "revision.py")])  # type: ignore[no-untyped-call]
    (effects,) = effects_here(parsed, shop.catalogue)
    found: dict[str, str] = {}
    for effect in effects.tables:
        tables = shop.catalogue.relations.with_children(effect.table) if effect.partitions else [effect.table]
        found |= dict.fromkeys(tables, effect.lock)
    return {table: str(lock) for table, lock in found.items()}


def taken(shop: Shop, statement: str) -> dict[str, str]:
    """Run the statement, and return the strongest lock on each relation that was there before, by its name then."""
    with unpooled(shop.url).connect() as connection:
        pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
        connection.exec_driver_sql(statement)
        modes = defaultdict(list)
        for relation, mode in shop.observer.execute(_LOCKS, {"pid": pid}):
            modes[shop.names.get(relation)].append(mode)
        shop.observer.rollback()
        connection.rollback()
    return {name: mode_in_words(max(found, key=_WEAKEST_FIRST.index)) for name, found in modes.items() if name}


def mode_in_words(mode: str) -> str:
    """Return `ShareRowExclusiveLock` as LOCK writes it."""
    return "".join(f" {letter}" if letter.isupper() else letter for letter in mode.removesuffix("Lock")).strip().upper()
