"""A standby, and a database that is read-only by default: whatever would change it says so, once and in plain words."""

import asyncio
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url
from structlog.testing import capture_logs

from app.db.startup_policy import init_db
from app.migrator.backfill.throttle import Throttle
from app.migrator.doctor.finding import Severity
from app.migrator.read_only_database import ReadOnlyDatabaseError
from app.postgres.errors import DatabaseError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.migrations.conftest import REVISIONS
from tests.support.database import query
from tests.support.doctor import examined, one
from tests.support.migrator import downgrade, maintain, plan, read_status, upgrade
from tests.support.migrator import run_backfills as backfill
from tests.support.processes import environment, run
from tests.support.throwaway_postgres import copy_as_standby, new_cluster, running

PENDING, EMPTY, AT_HEAD = "pending", "empty", "at_head"
# The newest revision before those that require backfills.
EXPANDED = "c7e92b4f6a10"


@pytest.fixture(scope="module")
def standby() -> Iterator[str]:
    """The URL of a standby, but for the database: one of those above."""
    with new_cluster("host all all 127.0.0.1/32 trust\nlocal all all trust\n") as directory:
        with running(directory) as primary:
            at = f"postgresql://postgres@127.0.0.1:{primary.port}"
            primary.execute(*(f"CREATE DATABASE {name}" for name in (PENDING, EMPTY)))
            upgrade(settings_for(f"{at}/{PENDING}"), EXPANDED)
            primary.execute(f"CREATE DATABASE {AT_HEAD} TEMPLATE {PENDING}")
            upgrade(settings_for(f"{at}/{AT_HEAD}"))
        with running(copy_as_standby(directory)) as server:
            yield f"postgresql://postgres@127.0.0.1:{server.port}/"


def start(url: str, *, auto_migrate: bool) -> None:
    asyncio.run(init_db(settings_for(url, db_auto_migrate=auto_migrate), normalize_database_url(url)))


@pytest.mark.parametrize(
    ("name", "work"),
    [
        (PENDING, lambda url: upgrade(settings_for(url))),
        (PENDING, lambda url: plan(settings_for(url))),
        (PENDING, lambda url: downgrade(settings_for(url), "-1", accept_data_loss=True)),
        (PENDING, lambda url: start(url, auto_migrate=True)),
        (EMPTY, lambda url: start(url, auto_migrate=True)),
        (EMPTY, lambda url: start(url, auto_migrate=False)),
        (AT_HEAD, lambda url: maintain(settings_for(url))),
        (PENDING, lambda url: backfill(settings_for(url), ["tasks_organization"], Throttle(rate=0), print)),
    ],
    ids=["upgrade", "plan", "downgrade", "start", "start-empty", "create-all", "partitions", "backfill"],
)
def test_standby_is_named_by_whatever_would_change_it(standby: str, name: str, work: object) -> None:
    assert callable(work)
    with pytest.raises(ReadOnlyDatabaseError) as refused:
        work(standby + name)
    place = standby.removeprefix("postgresql://postgres@").rstrip("/")
    assert f"The database {name} at {place} cannot be written to: it is a standby" in str(refused.value)
    assert "target_session_attrs=read-write" in str(refused.value)


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
@pytest.mark.parametrize(
    "command",
    [
        "litestar database upgrade --no-prompt",
        "litestar database upgrade --no-prompt --backup-to {directory}/taken",
        "litestar database downgrade --accept-data-loss --no-prompt",
        "litestar database stamp head",
        "litestar database partitions --apply",
        "alembic upgrade head",
        "alembic stamp --purge head",
        "alembic -x accept-data-loss downgrade base",
    ],
)
def test_every_command_against_a_standby_is_one_message_and_exit_code_3(
    standby: str, driver: str, command: str, tmp_path: Path
) -> None:
    url = standby.replace("postgresql", driver, 1) + PENDING
    result = run(*shlex.split(command.format(directory=tmp_path)), env=environment(DATABASE_URL=url))
    assert result.returncode == 3, result.stderr
    assert result.stderr.count("it is a standby (in recovery)") == 1
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_start_with_nothing_to_do_serves_a_standby(standby: str) -> None:
    with capture_logs() as logs:
        start(standby + AT_HEAD, auto_migrate=True)
        start(standby + AT_HEAD, auto_migrate=False)
    assert not [entry for entry in logs if entry["log_level"] == "error"]


def test_users_that_cannot_be_made_are_no_fault_of_the_command(standby: str) -> None:
    result = run("litestar", "users", "create", "--name", "Ahab", env=environment(DATABASE_URL=standby + AT_HEAD))
    assert result.returncode == 3
    assert "can only be read: it is a standby" in result.stderr


def test_status_and_doctor_say_so(standby: str) -> None:
    assert "cannot be written to: it is a standby" in read_status(settings_for(standby + PENDING)).detail
    assert "is a replica" in one(examined(standby + PENDING), "writable", Severity.PROBLEM).seen


def test_read_only_by_default_is_told_by_status_and_upgrade(empty_database_url: str) -> None:
    upgrade(settings_for(empty_database_url), REVISIONS[-2])
    name = make_url(empty_database_url).database
    query(empty_database_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    settings = settings_for(empty_database_url)
    with pytest.raises(DatabaseError, match=r"read-only by default \(default_transaction_read_only\)"):
        upgrade(settings)
    status = read_status(settings)
    assert status.verdict == "pending"
    assert "read-only by default" in status.detail
