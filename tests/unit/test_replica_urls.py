"""DATABASE_REPLICA_URLS: several URLs in one variable, each as DATABASE_URL may be."""

from pathlib import Path

import pytest

from app.core.settings import Settings
from app.db.replicas.selection import replica_urls
from app.postgres.settings_error import SettingsError

A = "postgres://u:hunter2@a.example/db"
NO_FILE = Path("/nonexistent/.env")


def locations(text: str) -> list[str]:
    settings = Settings.load({"DATABASE_REPLICA_URLS": text}, NO_FILE)
    assert "hunter2" not in repr(settings)
    return [url.location for url in replica_urls(settings)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (A, ["a.example:5432/db"]),
        (f"{A},", ["a.example:5432/db"]),
        (f" {A} , postgresql://b:6432/db?sslmode=disable ", ["a.example:5432/db", "b:6432/db"]),
        (f"{A},POSTGRES://[::1]/db", ["a.example:5432/db", "[::1]:5432/db"]),
        ("postgresql:///db?host=/run/a,postgresql:///db?host=/run/b", ["/run/a (socket)/db", "/run/b (socket)/db"]),
    ],
)
def test_urls_stand_with_commas_between(text: str, found: list[str]) -> None:
    assert locations(text) == found


def test_there_are_places_for_the_connections_to_each() -> None:
    one, three = (Settings.load({"DATABASE_REPLICA_URLS": text}, NO_FILE) for text in ("", f"{A},{A}"))
    assert three.request_limit == 3 * one.request_limit


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("postgresql://u:hunter2@a,b/db", "has a URL with several hosts"),
        (f"{A},mysql://u:hunter2@b/db", "is of another database"),
        (f"{A},postgresql+psycopg://u:hunter2@b/db", "names another driver than asyncpg"),
        (f"{A},{A}", "names a replica twice"),
        (f"{A}?pgbouncer=true", "a pooler in transaction mode"),
        (f"{A}?sslmode=sure", "sslmode"),
        (f"'{A}'", "is in quotation marks"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        locations(text)
    assert str(raised.value).startswith("DATABASE_REPLICA_URLS ")
    assert words in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("lag", ["0", "1.5", "0.2", "soon"])
def test_what_is_read_is_never_older_than_a_second(lag: str) -> None:
    with pytest.raises(SettingsError, match=r"DB_REPLICA_MAX_LAG .* seconds from 0\.3 to 1"):
        Settings.load({"DB_REPLICA_MAX_LAG": lag}, NO_FILE)


def test_the_primary_must_be_one_that_can_be_listened_to() -> None:
    pooled = {"DATABASE_REPLICA_URLS": A, "DATABASE_URL": f"{A}?pgbouncer=true"}
    with pytest.raises(SettingsError, match=r"^DATABASE_URL .* Set MIGRATION_DATABASE_URL"):
        replica_urls(Settings.load(pooled, NO_FILE))
    assert replica_urls(Settings.load({**pooled, "MIGRATION_DATABASE_URL": A}, NO_FILE))
    with pytest.raises(SettingsError, match=r"^MIGRATION_DATABASE_URL "):
        replica_urls(Settings.load({**pooled, "MIGRATION_DATABASE_URL": f"{A}?pgbouncer=true"}, NO_FILE))
