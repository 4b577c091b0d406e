"""What the settings become: the application's pool, the migration engine's configuration, and complaints about URLs."""

from dataclasses import astuple
from pathlib import Path

import msgspec
import pytest

from app import __version__
from app.core.settings import Settings
from app.db import migrator_config as module
from app.db.checked_settings import load_settings, url_problems
from app.db.database import create_engine
from app.db.migrator_config import load_migrator_config, migrator_config
from app.db.plugin import DatabasePlugin
from app.migrator import SettingsError
from app.models import metadata
from app.postgres.secret import Secret
from app.postgres.url.database_url import normalize_database_url
from tests.support.settings import PRODUCTION, URL, load

OTHER_URL = "postgresql://m/plimsoll"
WRONG = "mysql://u:hunter2@h/db"


@pytest.mark.parametrize(("wait", "expected"), [(None, 5.0), (0.5, 0.5)])
async def test_pool_is_as_large_and_as_patient_as_the_settings_say(wait: float | None, expected: float) -> None:
    settings = load(**PRODUCTION, DB_POOL_SIZE="3", DB_MAX_OVERFLOW="4", DB_POOL_TIMEOUT="5", DB_POOL_RECYCLE="600")
    pool = create_engine(settings, normalize_database_url(URL), wait).sync_engine.pool
    assert (pool.size(), pool._max_overflow, pool._timeout, pool._recycle) == (3, 4, expected, 600)  # type: ignore[attr-defined]


def test_migration_engine_has_the_settings_that_are_about_it() -> None:
    settings = load(
        **PRODUCTION,
        DB_CONNECT_TIMEOUT="1",
        DB_MIGRATE_STATEMENT_TIMEOUT="2",
        DB_MIGRATE_LOCK_WAIT="3",
        DB_MIGRATE_LOCK_TIMEOUT="4",
        DB_MIGRATE_LOCK_RETRIES="5",
        DB_POOL_SIZE="6",
        DB_MAX_OVERFLOW="7",
        ACTIVITY_RETENTION_MONTHS="8",
        PG_BIN_DIR="/usr/bin",
    )
    config = migrator_config(settings)
    limits = config.connect_timeout, config.statement_timeout, config.lock_wait, config.lock_timeout
    assert (*limits, config.lock_retries, config.connections_per_process) == (1, 2, 3, 4, 5, 13)
    assert (config.metadata, config.alembic_ini) == (metadata, Path(module.ROOT / "alembic.ini"))
    assert (config.retention, config.pg_bin_dir) == ({"activity_events": 8}, Path("/usr/bin"))
    assert (config.application, config.command, config.release) == ("plimsoll", "litestar database", __version__)
    assert (config.has_alembics, config.models_are_complete, config.allows_data_loss) == (True, True, False)
    assert all(astuple(config.hints))
    assert "DB_AUTO_MIGRATE_PHASE" in config.hints.expand_only
    assert migrator_config(msgspec.structs.replace(Settings(), data_dir=Path("/nowhere"))).allows_data_loss


@pytest.mark.parametrize(
    ("given", "starts", "location"),
    [
        ({}, True, None),
        ({"DATABASE_URL": URL}, False, "db:5432/plimsoll"),
        ({"MIGRATION_DATABASE_URL": OTHER_URL}, False, "m:5432/plimsoll"),
        ({"DATABASE_URL": URL, "MIGRATION_DATABASE_URL": OTHER_URL}, False, "m:5432/plimsoll"),
    ],
)
def test_migrations_take_the_url_that_is_theirs(given: dict[str, str], starts: bool, location: str | None) -> None:
    config = migrator_config(load(ENVIRONMENT="dev", **given))
    assert config.starts_database is starts
    if location is not None:
        with config.open_database() as url:
            assert url.location == location


def test_application_without_its_revisions_says_where_to_run_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROOT", tmp_path)
    with pytest.raises(SettingsError, match=r"alembic\.ini is not there.*checkout"):
        migrator_config(load(**PRODUCTION))


@pytest.mark.parametrize(
    ("url", "migration_url", "replica_urls", "named"),
    [
        (URL, OTHER_URL, (OTHER_URL,), []),
        (WRONG, WRONG, (), ["DATABASE_URL", "MIGRATION_DATABASE_URL"]),
        (URL, None, (WRONG,), ["DATABASE_REPLICA_URLS"]),
        # The check of the replicas reads the primary's URL, too.
        (WRONG, None, (OTHER_URL,), ["DATABASE_URL"]),
        (f"{URL}?pgbouncer=true", None, (OTHER_URL,), ["DATABASE_URL"]),
        (None, None, (), []),
    ],
)
def test_each_wrong_url_is_named_once(
    url: str | None, migration_url: str | None, replica_urls: tuple[str, ...], named: list[str]
) -> None:
    settings = msgspec.structs.replace(
        Settings(),
        database_url=Secret(url) if url else None,
        migration_database_url=Secret(migration_url) if migration_url else None,
        database_replica_urls=tuple(map(Secret, replica_urls)),
    )
    assert [problem.variable for problem in url_problems(settings)] == named


def test_settings_of_the_sign_in_are_needed_to_serve_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("LOCAL_AUTH_TOKEN", "MIGRATION_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("DATABASE_URL", URL)
    with pytest.raises(SettingsError, match="LOCAL_AUTH_TOKEN"):
        load_settings()
    assert load_settings(serving=False).environment == "production"
    with load_migrator_config().open_database() as url:
        assert url.location == "db:5432/plimsoll"
    monkeypatch.setenv("DATABASE_URL", WRONG)
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        load_settings(serving=False)


def test_application_refuses_wrong_urls_and_has_no_database_before_it_starts() -> None:
    for given in ({"DATABASE_URL": WRONG}, {"DATABASE_URL": URL, "DATABASE_REPLICA_URLS": WRONG}):
        with pytest.raises(SettingsError, match="is of another database"):
            DatabasePlugin(load(ENVIRONMENT="dev", **given))
    plugin = DatabasePlugin(load(ENVIRONMENT="dev"))
    for part in ("engine", "notifications", "readiness"):
        with pytest.raises(RuntimeError, match="has not started"):
            getattr(plugin, part)
