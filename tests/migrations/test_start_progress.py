"""What a start writes while it migrates: a line in all for people, one for each step where somebody wants to know."""

import asyncio
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator

import pytest
import structlog

from app.core import slow_work
from app.core.logging import configure_logging
from app.core.settings import LogFormat, Settings
from app.db.startup_policy import init_db
from app.postgres.errors import MigrationFailedError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.migrations.conftest import Release
from tests.support.database import holding
from tests.support.revisions import ADD_COLUMN
from tests.support.waiting import wait_until

FAILS = 'op.execute("SELECT 1/0")'


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[str]]]:
    """All lines that were logged so far."""
    root, written = logging.getLogger(), list[str]()
    before = list(root.handlers), root.level

    def lines() -> list[str]:
        written.append(capsys.readouterr().err)
        return "".join(written).splitlines()

    yield lines
    root.handlers, root.level = before
    structlog.reset_defaults()


def started(url: str, log_format: LogFormat = LogFormat.CONSOLE, level: str = "INFO", **changes: object) -> Settings:
    settings = settings_for(url, db_auto_migrate=True, log_format=log_format, log_level=level, **changes)
    configure_logging(settings)
    return settings


async def migrate(settings: Settings, url: str) -> None:
    await init_db(settings, normalize_database_url(url))


async def test_start_says_in_one_line_what_it_has_applied(
    database_url: str, release: Release, log: Callable[[], list[str]]
) -> None:
    settings = started(database_url)
    release.add(ADD_COLUMN)
    release.add("pass")
    await migrate(settings, database_url)
    assert [re.sub(r"[\d.:]+", "N", line) for line in log()] == ["N [info] applied N revisions in N s"]
    await migrate(settings, database_url)
    assert len(log()) == 1, "there was nothing to do"


@pytest.mark.parametrize(
    ("log_format", "level"), [(LogFormat.CONSOLE, "DEBUG"), (LogFormat.JSON, "INFO"), (LogFormat.JSON, "DEBUG")]
)
async def test_each_revision_has_a_line_where_that_is_asked_for_and_in_json(
    database_url: str, release: Release, log: Callable[[], list[str]], log_format: LogFormat, level: str
) -> None:
    settings = started(database_url, log_format, level)
    revisions = [release.add(ADD_COLUMN), release.add("pass")]
    await migrate(settings, database_url)
    lines = [line for line in log() if "applied a revision" in line]
    assert len(lines) == 2
    assert all(revision in line for revision, line in zip(revisions, lines, strict=True))
    assert not any("applied 2 revisions" in line for line in log())
    if log_format is LogFormat.JSON:
        assert {json.loads(line)["logger"] for line in lines} == {"app.migrator.execution.executor"}


async def test_revision_that_fails_is_named(database_url: str, release: Release, log: Callable[[], list[str]]) -> None:
    settings = started(database_url)
    release.add(ADD_COLUMN)
    failing = release.add(FAILS)
    with pytest.raises(MigrationFailedError, match=failing):
        await migrate(settings, database_url)
    first, second = log()
    assert "[error] a revision failed" in first
    assert f"revision={failing}" in first
    assert "applied 1 revision in" in second


def test_revision_that_takes_its_time_is_told_of(
    database_url: str, release: Release, log: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_work, "_FIRST_SECONDS", 0.05)
    settings = started(database_url, db_migrate_lock_timeout=60.0)
    slow = release.add(ADD_COLUMN)

    def is_told() -> bool:
        return any(f"migrating                      applied=0 revision={slow}" in line for line in log())

    with holding(database_url, "LOCK TABLE tags IN ACCESS SHARE MODE"):
        thread = threading.Thread(target=lambda: asyncio.run(migrate(settings, database_url)))
        thread.start()
        wait_until(is_told, "it is told of")
    thread.join()
