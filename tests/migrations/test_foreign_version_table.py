"""Another application's `alembic_version` that names lead to: said to be that, and where, and left alone."""

import asyncio
from collections.abc import Callable
from urllib.parse import quote

import pytest
from sqlalchemy import make_url

from app.core.settings import Settings
from app.db.readiness import DatabaseNotReadyError, Readiness
from app.db.startup_policy import init_db
from app.migrator.doctor.finding import Severity
from app.migrator.revisions.version_table import ForeignVersionsError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.migrations.conftest import HEAD
from tests.support.database import applied, by_driver, query
from tests.support.doctor import examined, one
from tests.support.migrator import downgrade, plan, read_status, upgrade
from tests.support.processes import environment, run


def with_path(url: str, path: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{quote(path)}"


@pytest.fixture
def shared(empty_database_url: str) -> str:
    """The URL of a database in which another application has `public`, and ours is to have a schema before it."""
    query(empty_database_url, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    query(empty_database_url, "INSERT INTO alembic_version VALUES ('of_another')")
    query(empty_database_url, "CREATE SCHEMA ours")
    return with_path(empty_database_url, "ours,public")


def start(settings: Settings, *, auto_migrate: bool) -> None:
    assert settings.database_url is not None
    url = settings.database_url.reveal()
    asyncio.run(init_db(settings_for(url, db_auto_migrate=auto_migrate), normalize_database_url(url)))


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
@pytest.mark.parametrize(
    "work",
    [
        upgrade,
        plan,
        lambda settings: downgrade(settings, "base", accept_data_loss=True),
        read_status,
        lambda settings: start(settings, auto_migrate=True),
        lambda settings: start(settings, auto_migrate=False),
    ],
    ids=["upgrade", "plan", "downgrade", "status", "start", "create-all"],
)
def test_table_in_a_later_schema_is_told_with_its_place(
    shared: str, empty_database_url: str, driver: str, work: Callable[[Settings], object]
) -> None:
    with pytest.raises(ForeignVersionsError) as refused:
        work(settings_for(by_driver(shared, driver)))
    message = str(refused.value)
    assert "is in the schema public, and not in ours" in message
    assert "revision of_another is none of this release's" in message
    assert "search_path%3Dours" in message
    assert "ahead" not in message
    assert applied(empty_database_url) == ["of_another"]
    assert query(empty_database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'ours'") == [(0,)]


@pytest.mark.parametrize(
    "command", ["alembic current", "alembic stamp --purge head", "litestar database upgrade --no-prompt"]
)
def test_every_command_leaves_it_alone(shared: str, empty_database_url: str, command: str) -> None:
    result = run(*command.split(), env=environment(DATABASE_URL=shared))
    assert result.returncode == 3
    assert "is in the schema public" in result.stderr
    assert "Traceback" not in result.stderr
    assert applied(empty_database_url) == ["of_another"]


def test_doctor_and_readiness_tell_it(shared: str) -> None:
    assert "is in the schema public" in one(examined(shared), "state", Severity.PROBLEM).seen
    readiness = Readiness(settings_for(shared), normalize_database_url(shared))
    with pytest.raises(DatabaseNotReadyError, match="is in the schema public"):
        asyncio.run(readiness.check())


def test_what_the_message_says_helps(shared: str, empty_database_url: str) -> None:
    url = with_path(empty_database_url, "ours")
    upgrade(settings_for(url))
    assert read_status(settings_for(url)).verdict == "up to date"
    # Ours comes first now, and is the one that names lead to.
    assert read_status(settings_for(shared)).current == (HEAD,)
    assert applied(empty_database_url) == ["of_another"]


def test_table_that_may_not_be_read_is_told_too(shared: str, empty_database_url: str) -> None:
    query(empty_database_url, "CREATE ROLE stowaway LOGIN")
    try:
        query(empty_database_url, "GRANT USAGE ON SCHEMA ours TO stowaway")
        with pytest.raises(ForeignVersionsError, match="this role may not read it"):
            read_status(settings_for(make_url(shared).set(username="stowaway").render_as_string(hide_password=False)))
    finally:
        query(empty_database_url, "REVOKE USAGE ON SCHEMA ours FROM stowaway")
        query(empty_database_url, "DROP ROLE stowaway")


def test_installation_in_a_later_schema_is_told_from_another_application(database_url: str) -> None:
    query(database_url, "CREATE SCHEMA ours")
    with pytest.raises(ForeignVersionsError, match="another installation of this application"):
        upgrade(settings_for(with_path(database_url, "ours,public")))


def test_table_in_our_own_schema_is_not_ahead_either(empty_database_url: str) -> None:
    query(empty_database_url, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    query(empty_database_url, "INSERT INTO alembic_version VALUES ('of_another')")
    # A common name: that it is there says little.
    query(empty_database_url, "CREATE TABLE users (id int)")
    for work in (upgrade, plan, read_status):
        with pytest.raises(ForeignVersionsError, match="in the schema public is another application's") as refused:
            work(settings_for(empty_database_url))
        assert "of its own" in str(refused.value)
    assert applied(empty_database_url) == ["of_another"]
