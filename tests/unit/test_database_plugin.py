"""What the plugin does around a server and around an application: the schema once, and a code for each end."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click import Group
from litestar import Litestar

from app.core.settings import Settings
from app.db import plugin as module
from app.db.plugin import DatabasePlugin
from app.postgres.errors import DatabaseError, DatabaseUnreachableError
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import DatabaseURL, normalize_database_url
from tests.support.settings import URL, load


class Policy:
    """The start-up policy, which counts how often it is applied, and fails as it is told."""

    def __init__(self) -> None:
        self.applied = 0
        self.fails_with: BaseException | None = None
        self.handles_sigterm = False
        self._handler = signal.getsignal(signal.SIGTERM)

    async def __call__(self, settings: Settings, url: DatabaseURL) -> None:
        self.applied += 1
        self.handles_sigterm = signal.getsignal(signal.SIGTERM) != self._handler
        if self.fails_with is not None:
            raise self.fails_with


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch) -> Policy:
    policy = Policy()
    monkeypatch.setattr(module, "init_db", policy)
    return policy


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whether the database of the settings is opened or closed, each time."""
    seen: list[str] = []

    @contextmanager
    def open_database(settings: Settings) -> Iterator[DatabaseURL]:
        seen.append("opened")
        yield normalize_database_url(URL)
        seen.append("closed")

    monkeypatch.setattr(module, "open_database", open_database)
    return seen


@pytest.fixture
def plugin() -> DatabasePlugin:
    return DatabasePlugin(load(ENVIRONMENT="dev", DATABASE_URL=URL))


async def start_and_stop(plugin: DatabasePlugin) -> None:
    async with plugin._lifespan(Litestar()):
        assert plugin.engine


def test_litestars_command_line_has_the_migration_commands(plugin: DatabasePlugin) -> None:
    cli = Group()
    plugin.on_cli_init(cli)
    assert isinstance(cli.commands["database"], Group)


def test_server_prepares_the_schema_for_its_first_application(
    plugin: DatabasePlugin, policy: Policy, opened: list[str]
) -> None:
    with plugin.server_lifespan(Litestar()):
        assert (policy.applied, policy.handles_sigterm) == (1, True)
        asyncio.run(start_and_stop(plugin))
        assert (policy.applied, opened) == (1, ["opened", "opened", "closed"])
        asyncio.run(start_and_stop(plugin))
        assert policy.applied == 2
    assert opened == ["opened", *["opened", "closed"] * 2, "closed"]


def test_application_prepares_the_schema_where_no_server_did(
    plugin: DatabasePlugin, policy: Policy, opened: list[str]
) -> None:
    asyncio.run(start_and_stop(plugin))
    assert (policy.applied, policy.handles_sigterm, opened) == (1, False, ["opened", "closed"])


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (DatabaseUnreachableError("The database is away."), DatabaseUnreachableError.exit_code),
        (SettingsError("DATABASE_URL", "leads nowhere", "Set it."), SettingsError.exit_code),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.usefixtures("opened")
def test_server_that_cannot_prepare_the_schema_exits_with_a_code(
    plugin: DatabasePlugin, policy: Policy, failure: BaseException, code: int
) -> None:
    policy.fails_with = failure
    with pytest.raises(SystemExit) as raised, plugin.server_lifespan(Litestar()):
        pass
    assert raised.value.code == code


@pytest.mark.usefixtures("opened")
def test_application_that_cannot_prepare_the_schema_shows_no_cause(plugin: DatabasePlugin, policy: Policy) -> None:
    failure = DatabaseUnreachableError("The database is away.")
    failure.__cause__ = RuntimeError("SELECT secret")
    policy.fails_with = failure
    with pytest.raises(DatabaseError, match="is away") as raised:
        asyncio.run(start_and_stop(plugin))
    assert type(raised.value) is DatabaseUnreachableError
    assert (raised.value.__cause__, raised.value.__suppress_context__) == (None, True)


@pytest.mark.parametrize(
    ("migration_url", "host"), [({}, "db"), ({"MIGRATION_DATABASE_URL": "postgresql://m/db"}, "m")]
)
async def test_notifications_are_heard_past_the_pooler(migration_url: dict[str, str], host: str) -> None:
    settings = load(ENVIRONMENT="dev", DATABASE_URL=URL, **migration_url)
    async with module._direct_engine(settings, normalize_database_url(URL), "listening") as engine:
        assert engine.url.host == host
