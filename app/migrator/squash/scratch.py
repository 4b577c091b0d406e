"""A database in which to try revisions: made on the server of the migrations, or an empty one that somebody names."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import uuid4

from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.connect import open_connection
from ...postgres.errors import DatabaseError
from ...postgres.url.database_url import DatabaseURL, normalize_database_url
from ..backup.contents import Obstacle, describe, obstacles
from ..config import MigratorConfig
from ..signals import cancel_on_signals
from ..sql.quoting import quote
from .dump import dump, replay

_MAY_CREATE = text("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
# Of the 63 bytes of a name.
_LONGEST_PREFIX = 40
T = TypeVar("T")


class SquashRefusedError(DatabaseError):
    """The revisions were not squashed, and no file was written or deleted."""


@dataclass(frozen=True)
class ScratchDatabase:
    """A database that is emptied again and again; `schema` is where unqualified names lead.

    That schema has a name of its own, by which a dump shows what the revisions do not name a schema for.
    """

    config: MigratorConfig
    url: DatabaseURL
    schema: str

    def empty(self) -> None:
        """Drop everything, and make the schema anew, and the one of Alembic's table."""
        self.run(_drop_everything)
        names = {self.schema, self.config.version_table_schema or self.schema} - {"public"}
        self.run(_execute, [f"CREATE SCHEMA {name}" for name in sorted(names)])

    def execute(self, statements: list[str]) -> None:
        """Execute the statements in one transaction."""
        self.run(_execute, statements)

    def dump(self) -> str:
        return asyncio.run(dump(self.config, self.url, self.schema))

    def dump_again(self, dumped: str) -> str:
        """Return the dump of what another one makes: PostgreSQL words some expressions anew when it reads them."""
        self.run(_drop_everything)
        asyncio.run(replay(self.config, self.url, dumped))
        return self.dump()

    def droppable(self) -> list[Obstacle]:
        """Return what the revisions have made, in the order to drop it."""
        return [one for one in self.run(obstacles) if one.kind != "extension"]

    def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Call `work` in a transaction of a connection of its own."""

        async def call(connection: AsyncConnection) -> T:
            async with connection.begin():
                return await connection.run_sync(work, *arguments)

        return _connect(self.config, self.url, call)


@contextmanager
def scratch_database(config: MigratorConfig, given: str | None = None) -> Iterator[ScratchDatabase]:
    """Yield a database that is dropped at the end, or with `given`, a URL, an empty one that is emptied at the end.

    Raises SquashRefusedError, SettingsError and DatabaseUnreachableError.
    """
    schema = f"squash_{uuid4().hex[:12]}"
    with _given_database(config, given) if given else _made_database(config) as url:
        options = f"{url.parameters.get('options', '')} -csearch_path={schema},public".strip()
        there = replace(url, parameters={**url.parameters, "options": options})
        # Without models no partition is made after the revisions, which depends on the month.
        own = replace(config, database=there.render(), metadata=MetaData(), starts_database=False)
        yield ScratchDatabase(own, there, schema)


@contextmanager
def _given_database(config: MigratorConfig, given: str) -> Iterator[DatabaseURL]:
    url = normalize_database_url(given, "--scratch")
    there = ScratchDatabase(config, url, "public")
    if found := there.run(obstacles):
        raise SquashRefusedError(
            f"The database {url.location} is not empty: it holds {describe(found)}. Everything in a scratch database"
            " is dropped, so name an empty one. Nothing was changed."
        )
    try:
        yield url
    finally:
        there.run(_drop_everything)


@contextmanager
def _made_database(config: MigratorConfig) -> Iterator[DatabaseURL]:
    with config.open_database() as url:
        # Its name says of which database it is, should anything leave it there.
        prefix = (url.database or "").encode()[:_LONGEST_PREFIX].decode(errors="ignore")
        name = f"{prefix}_squash_{uuid4().hex[:12]}"
        try:
            _connect(config, url, _create, quote(name), autocommit=True)
            yield replace(url, database=name)
        finally:
            _connect(config, url, _drop, quote(name), autocommit=True)


async def _create(connection: AsyncConnection, name: str) -> None:
    if not await connection.scalar(_MAY_CREATE):
        raise SquashRefusedError(
            "The revisions are tried in a database that is made for the moment, and this role may not make one (ALTER"
            " ROLE … CREATEDB). Let it, or name an empty database: --scratch URL. Nothing was changed."
        )
    await connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0")


async def _drop(connection: AsyncConnection, name: str) -> None:
    await connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _connect(
    config: MigratorConfig,
    url: DatabaseURL,
    work: Callable[..., Awaitable[T]],
    *arguments: object,
    autocommit: bool = False,
) -> T:
    async def run() -> T:
        with cancel_on_signals():
            async with open_connection(url, config.connect_timeout, f"{config.application} squash") as connection:
                if autocommit:
                    await connection.rollback()
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                return await work(connection, *arguments)

    return asyncio.run(run())


def _drop_everything(connection: Connection) -> None:
    _execute(connection, [one.drop for one in obstacles(connection)])
    if left := obstacles(connection):
        raise SquashRefusedError(f"The scratch database could not be emptied: it still holds {describe(left)}.")


def _execute(connection: Connection, statements: list[str]) -> None:
    for statement in statements:
        # Without parameters: a statement may hold what looks like one.
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
