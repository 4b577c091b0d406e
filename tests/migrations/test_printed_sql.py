"""`--sql`: the script has the guards that an online run has, wherever and whenever somebody runs it."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import make_url

from app.migrator.backfill.throttle import Throttle
from app.migrator.locking.migration_lock import LOCK_KEY
from app.migrator.partitions.months import add_months, partition_name
from app.migrator.partitions.state import MONTHS_AHEAD
from app.migrator.phase import Phase
from app.postgres.errors import MigrationFailedError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.migrations.conftest import HEAD, Release, autocommit, sql
from tests.support.backfill import define
from tests.support.database import applied, holding, insert, query, tables
from tests.support.migrator import alembic_config, downgrade, run_backfills, upgrade
from tests.support.partitions import TABLE, THIS_MONTH, held, store
from tests.support.processes import environment, run
from tests.support.waiting import PATIENCE

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
FILL = "UPDATE tags SET weight = 1 WHERE {batch}"

Psql = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def psql(postgres_bin: Path) -> Psql:
    """Runs a script as its first line says; with `stop` False as one does who has not read that."""

    def run_script(url: str, script: str, *, stop: bool = True) -> "subprocess.CompletedProcess[str]":
        options = ["-v", "ON_ERROR_STOP=1"] if stop else []
        command: list[str | Path] = [postgres_bin / "psql", "-X", "-q", *options, normalize_database_url(url).libpq]
        return subprocess.run(command, input=script, text=True, capture_output=True, timeout=PATIENCE, check=False)

    return run_script


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """The script of an upgrade."""

    def script(revision: str) -> str:
        # What was logged before.
        capsys.readouterr()
        upgrade(settings_for(NOWHERE), revision, sql=True)
        return capsys.readouterr().out

    return script


def history(url: str) -> list[tuple[object, ...]]:
    return query(url, "SELECT revision, direction, outcome FROM schema_history ORDER BY id")


def add_tag(url: str) -> None:
    organization = insert(url, "organizations", name="One")
    insert(url, "tags", organization_id=organization, name="one", slug="one", color="112233")


@pytest.mark.parametrize(
    "command_line", [("alembic", "upgrade", "head", "--sql"), ("litestar", "database", "upgrade", "--sql")]
)
def test_it_is_sql_alone_and_builds_the_same_schema(
    empty_database_url: str,
    database_url: str,
    dump_schema: Callable[[str], str],
    psql: Psql,
    command_line: tuple[str, ...],
) -> None:
    script = run(*command_line, env=environment(DATABASE_URL=NOWHERE))
    assert script.returncode == 0, script.stderr
    done = psql(empty_database_url, script.stdout)
    assert done.returncode == 0, done.stderr
    assert dump_schema(empty_database_url) == dump_schema(database_url)


def test_it_makes_the_partitions_of_the_day_on_which_it_runs(
    database_url: str, release: Release, dump_schema: Callable[[str], str], psql: Psql, printed: Callable[[str], str]
) -> None:
    """Those that an old database lacks, too, and their default; in UTC, whatever the time zone is."""
    release.add("pass")
    before = dump_schema(database_url)
    for table in ("activity_events", "board_webhook_payloads"):
        children = query(
            database_url,
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:t AS regclass) ORDER BY 1 DESC",
            t=table,
        )
        for (name,) in children[:3]:
            query(database_url, f"DROP TABLE {name}")
    query(database_url, f"ALTER DATABASE {make_url(database_url).database} SET timezone = 'Pacific/Kiritimati'")
    done = psql(database_url, printed(f"{HEAD}:head"))
    assert done.returncode == 0, done.stderr
    query(database_url, f"ALTER DATABASE {make_url(database_url).database} RESET timezone")
    assert dump_schema(database_url) == before


def test_it_changes_partitioned_tables_as_an_upgrade_does(
    database_url: str, release: Release, dump_schema: Callable[[str], str], psql: Psql, printed: Callable[[str], str]
) -> None:
    store(database_url, 0, 1)
    key = "ADD CONSTRAINT fk_board FOREIGN KEY (board_id) REFERENCES boards (id) NOT VALID"
    release.add(
        sql(
            f"ALTER TABLE activity_events {key}",
            "ALTER TABLE ONLY activity_events ADD CONSTRAINT said UNIQUE (id, created_at)",
        ),
        sql("ALTER TABLE activity_events DROP CONSTRAINT fk_board", "ALTER TABLE activity_events DROP CONSTRAINT said"),
    )
    release.add(
        autocommit(
            "ALTER TABLE activity_events VALIDATE CONSTRAINT fk_board",
            "CREATE INDEX CONCURRENTLY ix_message ON activity_events (message) WHERE message LIKE '%''%'",
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS said ON activity_events (id, created_at)",
        ),
        sql("DROP INDEX ix_message"),
    )
    done = psql(database_url, printed(f"{HEAD}:head"))
    assert done.returncode == 0, done.stderr
    by_script = dump_schema(database_url)
    assert "PARTITION public.activity_events_default_ix_message" in by_script
    downgrade(settings_for(database_url), HEAD, accept_data_loss=True)
    upgrade(settings_for(database_url))
    assert dump_schema(database_url) == by_script
    assert query(database_url, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]


def test_it_leaves_rows_in_the_default_partition_to_the_command_that_moves_them(
    database_url: str, release: Release, psql: Psql, printed: Callable[[str], str]
) -> None:
    revision = release.add("pass")
    last = add_months(THIS_MONTH, MONTHS_AHEAD)
    query(database_url, f"DROP TABLE {partition_name(TABLE, last, add_months(last, 1))}")
    store(database_url, MONTHS_AHEAD)
    done = psql(database_url, printed(f"{HEAD}:head"))
    assert done.returncode == 0, done.stderr
    assert "activity_events_default holds rows" in done.stderr
    assert "litestar database partitions --apply" in done.stderr
    assert applied(database_url) == [revision]
    assert held(database_url) == {"activity_events_default": 1}


def test_it_keeps_the_history_and_the_limits(
    empty_database_url: str, psql: Psql, printed: Callable[[str], str]
) -> None:
    script = printed("5b2e8a4c9d17")
    assert script.index("SET lock_timeout = '2000ms'") < script.index("CREATE TABLE organizations")
    assert psql(empty_database_url, script).returncode == 0
    assert history(empty_database_url) == [("1d9c6f0b7a31", "upgrade", "done"), ("5b2e8a4c9d17", "upgrade", "done")]


def test_it_stops_before_a_contract_too(release: Release, capsys: pytest.CaptureFixture[str]) -> None:
    release.add('op.execute("SELECT 1 AS before")')
    release.add('op.execute("SELECT 2 AS after")', phase="contract")
    upgrade(settings_for(NOWHERE), f"{HEAD}:head", sql=True, phase=Phase.EXPAND)
    script = capsys.readouterr().out
    assert "AS before" in script
    assert "AS after" not in script


def test_database_that_is_elsewhere_is_refused_before_anything_is_done(
    database_url: str, psql: Psql, printed: Callable[[str], str], dump_schema: Callable[[str], str]
) -> None:
    before = dump_schema(database_url), history(database_url)
    for script in (printed("head"), printed("5b2e8a4c9d17:8f3d1c7e2b64")):
        refused = psql(database_url, script)
        assert refused.returncode != 0
        assert f"but the database is at {HEAD}" in refused.stderr
        assert (dump_schema(database_url), history(database_url)) == before


@pytest.mark.parametrize("stop", [True, False])
def test_run_twice_it_is_done_once(
    empty_database_url: str, psql: Psql, printed: Callable[[str], str], stop: bool
) -> None:
    script = printed("8f3d1c7e2b64")
    assert psql(empty_database_url, script).returncode == 0
    again = psql(empty_database_url, script, stop=stop)
    assert "the script goes on from base, but the database is at 8f3d1c7e2b64" in again.stderr
    assert [row[0] for row in history(empty_database_url)] == ["1d9c6f0b7a31", "5b2e8a4c9d17", "8f3d1c7e2b64"]
    assert applied(empty_database_url) == ["8f3d1c7e2b64"]


def test_it_goes_on_from_base_where_a_downgrade_went_back_to_it(
    database_url: str, psql: Psql, printed: Callable[[str], str]
) -> None:
    downgrade(settings_for(database_url), "base", accept_data_loss=True)
    done = psql(database_url, printed("head"))
    assert done.returncode == 0, done.stderr
    assert applied(database_url) == [HEAD]


def test_empty_database_is_not_where_a_later_script_begins(
    empty_database_url: str, psql: Psql, printed: Callable[[str], str]
) -> None:
    refused = psql(empty_database_url, printed("5b2e8a4c9d17:head"))
    assert "goes on from 5b2e8a4c9d17, but the database is at base" in refused.stderr
    assert tables(empty_database_url) == set()


@pytest.mark.parametrize("stop", [True, False])
def test_it_does_nothing_while_another_schema_change_runs(
    empty_database_url: str, psql: Psql, printed: Callable[[str], str], stop: bool
) -> None:
    with holding(empty_database_url, f"SELECT pg_advisory_xact_lock({LOCK_KEY})"):
        refused = psql(empty_database_url, printed("head"), stop=stop)
        assert "another schema change is running" in refused.stderr
        assert tables(empty_database_url) == set()


def test_lock_is_free_at_its_end(empty_database_url: str, psql: Psql, printed: Callable[[str], str]) -> None:
    ours = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    count = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND {ours};\n"
    look = f"\\pset tuples_only\n\\pset format unaligned\n{count}"
    assert psql(empty_database_url, printed("head") + look).stdout.splitlines()[-1] == "0"


@pytest.mark.parametrize("where", ["weight IS NULL -- yet", None])
def test_revision_waits_for_its_backfill(
    database_url: str, release: Release, psql: Psql, printed: Callable[[str], str], where: str | None
) -> None:
    after = release.add('op.execute("ALTER TABLE tags ADD COLUMN weight integer")')
    define(release, table="tags", after=after, update=FILL, where=where)
    contract = release.add("pass", phase="contract", extra='requires_backfill = "fill"')
    upgrade(settings_for(database_url), after)
    add_tag(database_url)
    script = printed(f"{after}:head")
    refused = psql(database_url, script)
    assert f"revision {contract} requires the backfill fill, which is not finished" in refused.stderr
    assert applied(database_url) == [after]
    run_backfills(settings_for(database_url), ["fill"], Throttle(), lambda progress: None)
    assert psql(database_url, script).returncode == 0
    assert applied(database_url) == [contract]


@pytest.mark.parametrize("column", ["is_done", "found", "has_rows_left"])
def test_condition_of_a_backfill_may_have_any_column(
    database_url: str, release: Release, psql: Psql, printed: Callable[[str], str], column: str
) -> None:
    after = release.add(f'op.execute("ALTER TABLE tags ADD COLUMN {column} boolean")')
    update = f"UPDATE tags SET {column} = true WHERE {{batch}}"
    define(release, table="tags", after=after, update=update, where=f"{column} IS NULL AND name <> '$plimsoll$'")
    contract = release.add("pass", phase="contract", extra='requires_backfill = "fill"')
    upgrade(settings_for(database_url), after)
    add_tag(database_url)
    script = printed(f"{after}:head")
    assert "requires the backfill fill, which is not finished" in psql(database_url, script).stderr
    query(database_url, f"UPDATE tags SET {column} = false")
    done = psql(database_url, script)
    assert done.returncode == 0, done.stderr
    assert applied(database_url) == [contract]


def test_revision_is_refused_until_what_it_requires_is_true(
    database_url: str, release: Release, psql: Psql, printed: Callable[[str], str]
) -> None:
    asked = (
        "SELECT NOT EXISTS (SELECT FROM organizations WHERE name IN ('it''s', '$plimsoll$')) -- yet",
        "it's there: rename it",
    )
    revision = release.add('op.execute("ALTER TABLE tags ADD COLUMN weight integer")', extra=f"requires = {asked!r}")
    insert(database_url, "organizations", name="it's")
    script = printed(f"{HEAD}:head")
    refused = psql(database_url, script)
    assert f"revision {revision} is refused: it's there: rename it" in refused.stderr
    assert applied(database_url) == [HEAD]
    query(database_url, "DELETE FROM organizations")
    done = psql(database_url, script)
    assert done.returncode == 0, done.stderr
    assert applied(database_url) == [revision]


@pytest.mark.parametrize(
    "asked",
    [
        "SELECT NULL::boolean",
        "SELECT true WHERE false",
        "SELECT nextval('tries') > 0",
        "SELECT 1 / 0 = 1",
        "SELECT 1",
        "SELECT 'true'::text",
        "SELECT count(*) FROM pg_class",
        "SELECT true, true",
        "SELECT true FROM generate_series(1, 2)",
    ],
)
def test_what_cannot_be_told_or_writes_is_no_yes(
    database_url: str, release: Release, psql: Psql, printed: Callable[[str], str], asked: str
) -> None:
    query(database_url, "CREATE SEQUENCE tries")
    release.add("pass", extra=f"requires = {asked!r}, 'no'")
    assert psql(database_url, printed(f"{HEAD}:head")).returncode != 0
    assert applied(database_url) == [HEAD]
    assert query(database_url, "SELECT is_called FROM tries") == [(False,)]


@pytest.mark.parametrize("way", ["downgrade --sql", "stamp --sql", "stamp"])
def test_what_is_taken_back_takes_its_backfills_record_with_it(
    database_url: str, release: Release, psql: Psql, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    after = release.add('op.execute("ALTER TABLE tags ADD COLUMN weight integer")', "op.drop_column('tags', 'weight')")
    define(release, table="tags", after=after, update=FILL, where=None)
    settings = settings_for(database_url)
    upgrade(settings)
    run_backfills(settings, ["fill"], Throttle(), lambda progress: None)
    capsys.readouterr()
    if way == "downgrade --sql":
        downgrade(settings, f"{after}:{HEAD}", sql=True)
    else:
        command.stamp(alembic_config(settings), f"{after}:{HEAD}" if "--sql" in way else HEAD, sql="--sql" in way)
    if "--sql" in way:
        done = psql(database_url, capsys.readouterr().out)
        assert done.returncode == 0, done.stderr
    assert applied(database_url) == [HEAD]
    assert history(database_url)[-1] == (after, "downgrade" if "downgrade" in way else "unstamp", "done")
    assert query(database_url, "SELECT name FROM schema_backfills") == []


def test_concurrent_build_waits_for_others_as_an_online_run_does(
    empty_database_url: str, psql: Psql, printed: Callable[[str], str]
) -> None:
    upgrade(settings_for(empty_database_url), "5b2e8a4c9d17")
    lines = printed("5b2e8a4c9d17:8f3d1c7e2b64").splitlines()
    build = next(number for number, line in enumerate(lines) if line.startswith("CREATE INDEX CONCURRENTLY"))
    assert (lines[build - 2], lines[build + 2]) == ("SET lock_timeout = '0';", "SET lock_timeout = '2000ms';")


def test_index_that_was_not_built_keeps_the_revision_from_counting_as_applied(
    empty_database_url: str, psql: Psql, printed: Callable[[str], str]
) -> None:
    upgrade(settings_for(empty_database_url), "5b2e8a4c9d17")
    script = printed("5b2e8a4c9d17:8f3d1c7e2b64").replace("CREATE INDEX CONCURRENTLY", "CREATE INDEX BROKEN")
    failed = psql(empty_database_url, script, stop=False)
    assert "the index ix_tasks_board_id_status_created_at_id was not built" in failed.stderr
    assert applied(empty_database_url) == ["5b2e8a4c9d17"]
    assert history(empty_database_url)[-1][0] == "5b2e8a4c9d17"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("upgrade", ":head"), "FROM:TO"),
        (("upgrade", "head:"), "FROM:TO"),
        (("upgrade", "head:base"), "Nothing leads"),
        (("downgrade", "base:head"), "Relative|range|Nothing|no"),
        (("stamp", "base"), "Nothing leads"),
        (("stamp", "--purge", "head"), "--purge"),
    ],
)
@pytest.mark.parametrize("command_line", [("alembic",), ("litestar", "database")])
def test_what_cannot_be_printed_prints_nothing(
    command_line: tuple[str, ...], arguments: tuple[str, ...], says: str
) -> None:
    result = run(*command_line, *arguments, "--sql", env=environment(DATABASE_URL=NOWHERE))
    assert result.returncode == 3, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert re.search(says, result.stderr)


def test_revision_that_needs_a_database_is_a_message_that_names_its_line(release: Release) -> None:
    revision = release.add("op.get_bind().execute(sa.text('SELECT 1')).fetchall()")
    with pytest.raises(MigrationFailedError, match=rf"{revision} .*, line \d+\) cannot be printed: .*'fetchall'"):
        upgrade(settings_for(NOWHERE), f"{HEAD}:head", sql=True)


def test_stamp_prints_sql_alone(database_url: str, psql: Psql) -> None:
    env = environment(DATABASE_URL=NOWHERE)
    script = run("litestar", "database", "stamp", f"{HEAD}:base", "--sql", env=env).stdout
    done = psql(database_url, script)
    assert done.returncode == 0, done.stderr
    assert applied(database_url) == []


def test_backup_and_script_exclude_each_other() -> None:
    result = run("litestar", "database", "upgrade", "--backup", "--sql", env=environment(DATABASE_URL=NOWHERE))
    assert (result.returncode, result.stdout) == (2, "")
