"""What pg_dump writes about a database, as entries that can be compared and turned into statements."""

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from ...postgres.url.database_url import DatabaseURL
from ...postgres.url.resolved import resolve_url
from ..backup.archive import CHUNK
from ..backup.pg_tools import Access, Tools, access, tools_to_dump
from ..backup.programs import BROKEN_PIPE, running
from ..backup.snapshot import server_version, session
from ..config import MigratorConfig
from ..engine_tables import engine_tables, version_table

# Rows are one INSERT for so many of them.
_ROWS_AT_ONCE = 200
_OPTIONS = ("--no-owner", "--column-inserts", f"--rows-per-insert={_ROWS_AT_ONCE}", "--encoding=UTF8", "--no-password")
_HEADING = re.compile(
    r"^--\n-- (?:Data for )?Name: (?P<name>.*); Type: (?P<kind>.*); Schema: .*; Owner: .*\n--\n\n", re.MULTILINE
)
# What is set for the entries that follow.
_SETTING = re.compile(r"^(SET default_\w+ = .*;)$", re.MULTILINE)
# What pg_dump writes for psql, or around the entries.
_NOISE = re.compile(r"^\\(?:un)?restrict .*\n|^--\n-- PostgreSQL database dump complete\n--\n", re.MULTILINE)


class Entry(NamedTuple):
    """One object of a dump, or something of it: its kind in pg_dump's words, its name and its SQL."""

    kind: str
    name: str
    sql: str


async def dump(config: MigratorConfig, url: DatabaseURL, schema: str) -> str:
    """Return the dump of a database, rows too, without the engine's tables in `schema`.

    Raises BackupError and DatabaseUnreachableError.
    """
    ours = {f"{schema}.{name}" for name in engine_tables() - {version_table()}}
    ours.add(version_table() if "." in version_table() else f"{schema}.{version_table()}")
    left_out = [f"--exclude-table={name}" for name in sorted(ours)]
    async with _program(config, url) as (tools, database):
        command = tools.command("pg_dump", *_OPTIONS, *left_out, f"--dbname={database.connection}")
        async with running(command, database.environment) as program:
            pieces = []
            while piece := await program.output.read(CHUNK):
                pieces.append(piece)
            await program.succeed()
    return b"".join(pieces).decode()


async def replay(config: MigratorConfig, url: DatabaseURL, dumped: str) -> None:
    """Run a dump as it is. Raises BackupError and DatabaseUnreachableError."""
    async with _program(config, url) as (tools, database):
        options = ("--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1", "--no-password")
        command = tools.command("psql", *options, f"--dbname={database.connection}")
        async with running(command, database.environment, takes_input=True) as psql:
            try:
                await psql.write(dumped.encode())
                psql.close_input()
            except BROKEN_PIPE:
                raise await psql.failure() from None
            await psql.succeed()


@asynccontextmanager
async def _program(config: MigratorConfig, url: DatabaseURL) -> AsyncIterator[tuple[Tools, Access]]:
    async with session(config, url, "The dump") as connection:
        tools = tools_to_dump(config, server_version(connection))
        with access(await resolve_url(url, connection), config.connect_timeout) as database:
            yield tools, database


def read_entries(dumped: str) -> list[Entry]:
    """Return the entries of a dump, in its order."""
    return list(_entries(_NOISE.sub("", dumped)))


def _entries(dumped: str) -> Iterator[Entry]:
    found = list(_HEADING.finditer(dumped))
    ends = [heading.start() for heading in found[1:]] + [len(dumped)]
    for heading, end in zip(found, ends, strict=True):
        sql, *settings = _SETTING.split(dumped[heading.end() : end])
        yield Entry(heading["kind"], heading["name"], sql.strip())
        yield from (Entry("SETTING", "", setting) for setting in settings if setting.strip())


def as_text(entries: Iterable[Entry]) -> list[str]:
    """Return the lines of these entries, to be compared."""
    return [line for entry in entries for line in (f"-- {entry.kind} {entry.name}", *entry.sql.splitlines())]
