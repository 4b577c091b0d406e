"""Phases: which revisions an upgrade stops before, and what a start says of a contract."""

import pytest
from structlog.testing import capture_logs

from app.db.startup_policy import init_db
from app.migrator.phase import Phase
from app.postgres.errors import MigrationFailedError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.migrations.conftest import Release
from tests.support.checkouts import checkout_of
from tests.support.database import applied, tables
from tests.support.migrator import upgrade
from tests.support.processes import environment, run
from tests.support.revisions import ADD_COLUMN, DROP_COLUMN


def test_expand_stops_before_the_first_contract(database_url: str, release: Release) -> None:
    first = release.add(ADD_COLUMN)
    release.add(DROP_COLUMN, phase="contract")
    release.add('op.execute("CREATE TABLE later (id integer)")')
    upgrade(settings_for(database_url), phase=Phase.EXPAND)
    assert applied(database_url) == [first]
    upgrade(settings_for(database_url))
    assert applied(database_url) == [release.head]


@pytest.mark.parametrize(
    "command",
    [
        ("alembic", "-x", "phase=expand", "upgrade", "head"),
        ("litestar", "database", "upgrade", "--phase", "expand", "--no-prompt"),
    ],
)
def test_both_command_lines_can_stop_before_a_contract(
    database_url: str, release: Release, command: tuple[str, ...]
) -> None:
    before = applied(database_url)
    release.add('op.drop_column("tags", "color")', phase="contract")
    copy = checkout_of(release)
    result = run(*command, env=environment(DATABASE_URL=database_url), cwd=copy)
    assert result.returncode == 0, result.stderr
    assert "left for later" in result.stderr
    assert applied(database_url) == before


def test_expand_revision_behind_a_contract_is_a_warning(database_url: str, release: Release) -> None:
    contract = release.add('op.drop_column("tags", "color")', phase="contract")
    expand = release.add(ADD_COLUMN)
    with capture_logs() as logs:
        upgrade(settings_for(database_url), phase=Phase.EXPAND)
    (warning,) = [entry for entry in logs if entry["event"].startswith("left for later")]
    assert (warning["log_level"], warning["revisions"]) == ("warning", [contract, expand])


@pytest.mark.parametrize("command", [("upgrade", "head"), ("upgrade", "head", "--sql"), ("current",)])
@pytest.mark.parametrize("argument", ["phase=both", "accept-dataloss", "accept-data-loss=no"])
def test_unknown_argument_of_alembic_is_a_wrong_option(
    database_url: str, argument: str, command: tuple[str, ...]
) -> None:
    result = run("alembic", "-x", argument, *command, env=environment(DATABASE_URL=database_url))
    assert result.returncode == 2
    assert result.stdout == ""
    assert f"-x {argument} is not known" in result.stderr


async def test_start_up_warns_of_a_contract_and_of_what_it_removes(database_url: str, release: Release) -> None:
    release.add('op.drop_column("tags", "color")\nop.drop_table("task_tags")', phase="contract")
    settings = settings_for(database_url, db_auto_migrate=True, db_auto_migrate_phase=Phase.EXPAND)
    with capture_logs() as logs:
        await init_db(settings, normalize_database_url(database_url))
    assert "task_tags" in tables(database_url)
    assert not [entry for entry in logs if entry["log_level"] == "warning"]
    with capture_logs() as logs:
        await init_db(settings_for(database_url, db_auto_migrate=True), normalize_database_url(database_url))
    (warning,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert warning["removes"] == ["drop column tags.color", "drop table task_tags"]
    assert warning["loses"] == [
        f"column tags.color: 0 values (revision {warning['revision']})",
        f"table task_tags: 0 rows (revision {warning['revision']})",
    ]
    assert "task_tags" not in tables(database_url)


async def test_start_up_on_an_empty_database_warns_of_no_contract(empty_database_url: str) -> None:
    with capture_logs() as logs:
        await init_db(
            settings_for(empty_database_url, db_auto_migrate=True), normalize_database_url(empty_database_url)
        )
    assert "contract" in {entry.get("phase") for entry in logs}
    assert not [entry for entry in logs if entry["log_level"] == "warning"]


async def test_start_up_warns_of_a_contract_that_removes_nobody_knows_what(database_url: str, release: Release) -> None:
    body = """
        op.execute("DO $$ BEGIN DROP TABLE task_tags; END $$")
        op.execute("ALTER TABLE tags RENAME color TO colour")
        op.execute("CREATE VIEW busy AS SELECT 1")
        op.execute("DROP VIEW busy")
    """
    release.add(body, phase="contract")
    with capture_logs() as logs:
        await init_db(settings_for(database_url, db_auto_migrate=True), normalize_database_url(database_url))
    (warning,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert warning["removes"] == [
        "rename column tags.color to colour",
        "drop busy",
        "what cannot be known from its SQL",
    ]


def test_revision_without_a_phase_is_not_applied(database_url: str, release: Release) -> None:
    release.add("pass", phase=None)  # type: ignore[arg-type]
    with pytest.raises(MigrationFailedError, match="declares no phase"):
        upgrade(settings_for(database_url))
