"""What a project tells the engine, by fields and by the environment."""

import sys

import pytest
from sqlalchemy import MetaData

from app import migrator
from app.migrator import MigratorConfig, SettingsError

URL = "postgresql://someone:hunter2@db.example.com/theirs"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL", "DB_MIGRATE_LOCK_TIMEOUT", "DB_MIGRATE_LOCK_RETRIES"):
        monkeypatch.delenv(name, raising=False)


def test_environment_is_read_and_fields_win_over_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://pooler/theirs")
    monkeypatch.setenv("MIGRATION_DATABASE_URL", URL)
    monkeypatch.setenv("DB_MIGRATE_LOCK_TIMEOUT", "0.5")
    monkeypatch.setenv("DB_MIGRATE_LOCK_RETRIES", "3")
    config = MigratorConfig.from_environment(MetaData(), lock_retries=7)
    assert (config.database, config.lock_timeout, config.lock_retries, config.lock_wait) == (URL, 0.5, 7, 60.0)


def test_password_is_in_no_repr() -> None:
    assert "hunter2" not in repr(MigratorConfig(metadata=MetaData(), database=URL))


@pytest.mark.parametrize(
    ("driver", "installed", "taken"),
    [
        ("", True, "psycopg"),
        ("", False, "asyncpg"),
        ("+psycopg2", True, "psycopg"),
        ("+pg8000", False, "asyncpg"),
        ("+asyncpg", True, "asyncpg"),
    ],
)
def test_driver_of_the_application_does_not_matter(
    driver: str, installed: bool, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not installed:
        monkeypatch.setitem(sys.modules, "psycopg", None)
    config = MigratorConfig(metadata=MetaData(), database=URL.replace("postgresql", f"postgresql{driver}"))
    with config.open_database() as url:
        assert (url.driver, url.location) == (taken, "db.example.com:5432/theirs")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DB_MIGRATE_LOCK_TIMEOUT", "soon"),
        ("DB_MIGRATE_LOCK_TIMEOUT", "0"),
        ("DB_MIGRATE_LOCK_TIMEOUT", "nan"),
        ("DB_MIGRATE_LOCK_RETRIES", "1.5"),
    ],
)
def test_number_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, text: str) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsError, match=f"{variable} is '{text}'"):
        MigratorConfig.from_environment(MetaData())


def test_database_that_nobody_names_is_an_error() -> None:
    config = MigratorConfig.from_environment(MetaData())
    with pytest.raises(SettingsError, match="DATABASE_URL is not set"), config.open_database():
        pass


@pytest.mark.parametrize("name", ["meta.versions", "Versions", "my versions"])
def test_version_table_has_a_plain_name(name: str) -> None:
    with pytest.raises(SettingsError, match="version_table"):
        MigratorConfig(metadata=MetaData(), database=URL, version_table=name)


def test_every_exported_name_is_there() -> None:
    """They are imported on first use, by the names of their modules, which no type checker reads."""
    assert [name for name in migrator.__all__ if getattr(migrator, name).__name__ != name] == []
