"""`litestar database restore`: every row comes back, or nothing is changed."""

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from sqlalchemy import make_url

from app.migrator.backup.archive import ArchiveWriter, open_archive
from app.migrator.backup.manifest import BackupProgress, Manifest
from app.migrator.backup.restore import Restored
from app.migrator.locking.migration_lock import LOCK_KEY
from app.models import metadata
from app.postgres.errors import BackupError, MigrationFailedError
from tests.conftest import cloned, database_named, settings_for
from tests.migrations.conftest import HEAD, Release, older_binaries
from tests.support.database import applied, holding, query, tables, unpooled
from tests.support.migrator import backup, read_target, restore, upgrade
from tests.support.processes import BIN, ROOT, environment, in_checkout, run, shown_on_a_terminal
from tests.support.stopping import running
from tests.support.waiting import PATIENCE

# With those of Alembic and of the engine.
TABLES = len(metadata.tables) + 2
RESTORE = ("litestar", "database", "restore")
# Lets everybody read the catalog, and nobody create a table.
STOP_RESTORE = "LOCK TABLE pg_catalog.pg_class IN SHARE MODE"
FILL = """
    INSERT INTO users (id, subject, name, email, created_at, updated_at)
    SELECT md5(n::text)::uuid, n::text, 'Zoë ' || chr(128640), 'u' || n || '@example.com', '2026-07-01', 'infinity'
    FROM generate_series(1, 50) AS n
"""
AWKWARD = """
    CREATE TYPE mood AS ENUM ('fine', 'it''s "so-so"');
    CREATE TABLE "Odd name; --" (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, document jsonb, "words \\ here" text, at timestamptz,
        bytes bytea, exact numeric, list text[], mood mood, span tstzrange, nothing text
    );
    INSERT INTO "Odd name; --" (document, "words \\ here", at, bytes, exact, list, mood, span) VALUES
        ('{"a": [1, null, "\\u00e9\\n"], "b": {"c": 1e400}}', E'tab\\t newline\\n back\\\\slash \\\\. ''quoted'' 🚢',
         '2026-03-29 02:30:00.123456+02', '\\x00ff0a5c', 'NaN', ARRAY['a,b', NULL, '"'], 'it''s "so-so"',
         '[2026-01-01,)'),
        ('null', '', '-infinity', '', 1e-300, '{}', NULL, 'empty'),
        (NULL, '\\N', '0044-03-15 BC', NULL, 12345678901234567890.000, NULL, 'fine', NULL);
    INSERT INTO "Odd name; --" ("words \\ here") SELECT repeat('x', n) FROM generate_series(1, 300) AS n;
    CREATE SCHEMA apart;
    CREATE TABLE apart.parted (x int, y text) PARTITION BY RANGE (x);
    CREATE TABLE apart.low PARTITION OF apart.parted FOR VALUES FROM (0) TO (10);
    CREATE TABLE apart.high PARTITION OF apart.parted DEFAULT;
    INSERT INTO apart.parted SELECT n, n::text FROM generate_series(1, 30) AS n;
    CREATE VIEW apart.seen AS SELECT x FROM apart.parted;
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM apart.parted;
    CREATE DOMAIN small AS int CHECK (VALUE < 10);
    CREATE FUNCTION doubled(x small) RETURNS int LANGUAGE sql AS 'SELECT x * 2';
    CREATE SEQUENCE numbers START 42;
    SELECT nextval('numbers');
    SELECT lo_from_bytea(0, '\\x0102');
"""

RARE = """
    CREATE COLLATION plain FROM "C";
    CREATE CONVERSION to_latin FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;
    CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = simple);
    CREATE TEXT SEARCH CONFIGURATION prose (COPY = english);
    CREATE FOREIGN DATA WRAPPER "any-where";
    CREATE SERVER there FOREIGN DATA WRAPPER "any-where";
    CREATE TYPE pair AS (a int, b int);
    CREATE FUNCTION added(pair) RETURNS int LANGUAGE sql AS 'SELECT $1.a + $1.b';
    CREATE CAST (pair AS int) WITH FUNCTION added(pair);
    CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
    CREATE OPERATOR CLASS odd FOR TYPE int4 USING hash AS OPERATOR 1 =, FUNCTION 1 hashint4(int4);
    CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
    CREATE ACCESS METHOD "heap 2" TYPE TABLE HANDLER heap_tableam_handler;
    CREATE TABLE heaped (x int) USING "heap 2";
    CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
    CREATE EVENT TRIGGER notes ON ddl_command_end EXECUTE FUNCTION noted();
    CREATE SCHEMA extensions;
    CREATE EXTENSION citext SCHEMA extensions
"""


def execute(url: str, script: str) -> None:
    for statement in script.split(";\n"):
        if statement.strip():
            query(url, statement.replace(":", r"\:"))


def everything(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table as text, and what the sequences and large objects hold."""
    with unpooled(url).connect() as connection:

        def read(statement: str) -> list[tuple[object, ...]]:
            # As it stands, since a name may hold what looks like a parameter.
            return [tuple(row) for row in connection.exec_driver_sql(statement.replace("%", "%%"))]

        names = read(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        rows = {str(name): read(f"SELECT t::text FROM ONLY {name} AS t ORDER BY 1") for (name,) in names}
        rows["sequences"] = read("SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2")
        rows["large objects"] = read("SELECT lo_get(oid) FROM pg_largeobject_metadata")
        return rows


@pytest.fixture
def other_url(server_url: str, administer: Callable[[str], None]) -> Iterator[str]:
    """A second database, empty."""
    name = f"test_other_{os.getpid()}"
    administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    administer(f'CREATE DATABASE "{name}"')
    yield database_named(server_url, name)
    administer(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def backup_with_rows(
    server_url: str, administer: Callable[[str], None], migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    with cloned(server_url, administer, migrated_template) as url:
        query(url, FILL)
        return backup(settings_for(url), tmp_path_factory.mktemp("backup") / "taken.tar").path


@pytest.fixture
def taken(request: pytest.FixtureRequest, backup_with_rows: Path, tmp_path: Path) -> Path:
    """A backup of a database at head with rows, which the test's own database has, too."""
    if "database_url" in request.fixturenames:
        query(request.getfixturevalue("database_url"), FILL)
    return Path(shutil.copy(backup_with_rows, tmp_path / "taken.tar"))


def restored(url: str, file: Path, **options: Any) -> Restored:
    with open_archive(file) as archive:
        return restore(settings_for(url, db_migrate_lock_wait=0.0), archive, **options)


def forged(source: Path, target: Path, dump: bytes | None = None, **changes: object) -> Path:
    """A backup whose sums are right, and whose manifest or dump is not."""
    with open_archive(source) as archive, target.open("wb") as file:
        writer = ArchiveWriter(file)
        for piece in [dump] if dump is not None else archive.dump():
            writer.write(piece)
        size_and_sum = {"size", "sha256"} - set(changes)

        def describe(size: int, sha256: str) -> Manifest:
            measured = {"size": size, "sha256": sha256}
            return msgspec.structs.replace(archive.manifest, **changes, **{k: measured[k] for k in size_and_sum})

        writer.finish(describe)
    return target


def test_every_row_of_every_table_comes_back(
    database_url: str, other_url: str, dump_schema: Callable[[str], str], tmp_path: Path
) -> None:
    query(database_url, FILL)
    execute(database_url, AWKWARD)
    before, schema = everything(database_url), dump_schema(database_url)
    done = backup(settings_for(database_url), tmp_path / "mine.tar")
    assert done.manifest.rows['public."Odd name; --"'] == 303
    assert (done.manifest.rows["apart.low"], done.manifest.rows["apart.high"]) == (9, 21)
    result = restored(other_url, done.path)
    assert result.manifest == done.manifest
    assert everything(other_url) == before
    assert dump_schema(other_url) == schema


def test_replace_brings_back_what_was_destroyed(
    database_url: str, dump_schema: Callable[[str], str], tmp_path: Path
) -> None:
    query(database_url, FILL)
    execute(database_url, AWKWARD)
    before, schema = everything(database_url), dump_schema(database_url)
    file = backup(settings_for(database_url), tmp_path / "mine.tar").path
    for destroyed in (
        "DROP TABLE task_comments",
        "UPDATE users SET name = 'gone'",
        "TRUNCATE apart.parted",
        "CREATE TABLE newer (user_id uuid REFERENCES users (id), mood mood)",
        "CREATE SCHEMA another",
        "CREATE TABLE another.one ()",
        "CREATE FUNCTION another.f(newer) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int)",
        "CREATE TYPE pair AS (a int, b mood)",
        "UPDATE alembic_version SET version_num = 'lost'",
    ):
        query(database_url, destroyed)
    restored(database_url, file, replace=True)
    assert everything(database_url) == before
    assert dump_schema(database_url) == schema


def test_database_that_is_not_empty_is_refused(database_url: str, taken: Path) -> None:
    before = everything(database_url)
    with pytest.raises(BackupError, match=rf"is not empty: it holds {TABLES} tables \(public.*--replace") as caught:
        restored(database_url, taken)
    assert caught.value.exit_code == 5
    assert everything(database_url) == before


def test_database_that_is_read_only_by_default_is_refused_as_a_migration_is(database_url: str, taken: Path) -> None:
    before = everything(database_url)
    query(database_url, f'ALTER DATABASE "{make_url(database_url).database}" SET default_transaction_read_only = on')
    with pytest.raises(BackupError, match=r"read-only by default.*default_transaction_read_only.*Nothing was changed"):
        restored(database_url, taken, replace=True)
    assert everything(database_url) == before


def test_what_is_shown_names_the_one_server_that_is_meant_and_another_is_refused(
    database_url: str, taken: Path
) -> None:
    url = make_url(database_url)
    host, port = url.query.get("host") or url.host, url.port or 5432
    several = f"postgresql://{url.username}@/{url.database}?host=/nowhere,{host}&port=1,{port}"
    shown = read_target(settings_for(several))
    assert "/nowhere" not in shown.location
    before = everything(database_url)
    with open_archive(taken) as archive, pytest.raises(BackupError, match=r"db1:5432/d, and now .*Name one host"):
        restore(settings_for(several), archive, replace=True, shown=replace(shown, location="db1:5432/d"))
    assert everything(database_url) == before


def test_objects_of_every_kind_are_in_the_way_and_are_replaced(
    database_url: str, empty_database_url: str, dump_schema: Callable[[str], str], tmp_path: Path
) -> None:
    execute(database_url, RARE)
    schema = dump_schema(database_url)
    file = backup(settings_for(database_url), tmp_path / "rare.tar").path
    restored(database_url, file, replace=True)
    assert dump_schema(database_url) == schema
    execute(empty_database_url, RARE)
    kinds = {obstacle.kind for obstacle in read_target(settings_for(empty_database_url)).obstacles}
    assert {
        "extension",
        "collation",
        "text search configuration",
        "server",
        "cast",
        "operator",
        "event trigger",
        "access method",
    } <= kinds
    restored(empty_database_url, file, replace=True)
    assert dump_schema(empty_database_url) == schema


@pytest.mark.parametrize("event", ["ddl_command_start", "sql_drop", "ddl_command_end"])
def test_trigger_that_forbids_changes_is_replaced_first(
    event: str, database_url: str, dump_schema: Callable[[str], str], tmp_path: Path
) -> None:
    query(
        database_url, "CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not this''; END'"
    )
    query(database_url, f"CREATE EVENT TRIGGER guard ON {event} EXECUTE FUNCTION no()")
    schema = dump_schema(database_url)
    file = backup(settings_for(database_url), tmp_path / "guarded.tar").path
    restored(database_url, file, replace=True)
    assert dump_schema(database_url) == schema


def test_partitioned_table_is_in_the_way_and_is_replaced(empty_database_url: str, taken: Path) -> None:
    query(empty_database_url, "CREATE TABLE events (at date) PARTITION BY RANGE (at)")
    query(empty_database_url, "CREATE TABLE events_2026 PARTITION OF events DEFAULT")
    with pytest.raises(BackupError, match=r"is not empty: it holds 1 table \(public.events\)"):
        restored(empty_database_url, taken)
    restored(empty_database_url, taken, replace=True)
    assert query(empty_database_url, "SELECT to_regclass('events'), to_regclass('events_2026')") == [(None, None)]


def test_what_extensions_brought_does_not_count(empty_database_url: str, taken: Path) -> None:
    query(empty_database_url, "CREATE EXTENSION citext")
    query(empty_database_url, "CREATE EXTENSION ltree")
    assert read_target(settings_for(empty_database_url)).obstacles == ()
    restored(empty_database_url, taken)
    restored(empty_database_url, taken, replace=True)
    assert query(empty_database_url, "SELECT 'A'::citext = 'a'".replace(":", r"\:")) == [(True,)]


def wrong_counts(taken: Path, target: Path) -> Path:
    return forged(taken, target, rows={"public.users": 49, "public.gone": 1}, revisions=("unheard",))


def half_a_dump(taken: Path, target: Path) -> Path:
    with open_archive(taken) as archive:
        dump = b"".join(archive.dump())
    return forged(taken, target, dump=dump[: len(dump) // 2])


def no_dump(taken: Path, target: Path) -> Path:
    return forged(taken, target, dump=b"PGDMP is how it begins")


@pytest.mark.parametrize(
    ("forge", "says"),
    [(wrong_counts, "not what the manifest says"), (half_a_dump, "pg_restore failed"), (no_dump, "pg_restore failed")],
)
def test_replace_that_fails_leaves_what_was_there(
    forge: Callable[[Path, Path], Path], says: str, database_url: str, taken: Path, tmp_path: Path
) -> None:
    query(database_url, "UPDATE users SET name = 'newer than the backup'")
    before = everything(database_url)
    with pytest.raises(BackupError, match=says):
        restored(database_url, forge(taken, tmp_path / "forged.tar"), replace=True)
    assert everything(database_url) == before


def test_differences_are_listed(empty_database_url: str, taken: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError) as caught:
        restored(empty_database_url, wrong_counts(taken, tmp_path / "forged.tar"))
    said = str(caught.value)
    assert "public.users: 49 rows in the backup, 50 rows restored" in said
    assert "public.gone: 1 rows in the backup, no such table restored" in said
    assert f"revision: unheard in the backup, {HEAD} restored" in said
    assert tables(empty_database_url) == set()


def test_statement_that_fails_is_rolled_back_with_the_rest(database_url: str, tmp_path: Path) -> None:
    query(database_url, FILL)
    query(database_url, "CREATE TABLE picky (x int CHECK (current_setting('test.refuses', true) IS NULL))")
    query(database_url, "INSERT INTO picky VALUES (1)")
    file = backup(settings_for(database_url), tmp_path / "mine.tar").path
    before = everything(database_url)
    query(database_url, f'ALTER DATABASE "{make_url(database_url).database}" SET test.refuses = 1')
    with pytest.raises(BackupError, match='psql failed: new row for relation "picky" violates check constraint'):
        restored(database_url, file, replace=True)
    assert everything(database_url) == before


def test_rows_that_are_refused_are_not_shown(database_url: str, other_url: str, tmp_path: Path) -> None:
    check = "SELECT current_database() NOT LIKE ''test_other%''"
    query(database_url, f"CREATE FUNCTION fine(t text) RETURNS bool LANGUAGE sql AS '{check}'")
    query(database_url, "CREATE TABLE guarded (secret text CHECK (fine(secret)))")
    query(database_url, "INSERT INTO guarded VALUES ('values stay here')")
    file = backup(settings_for(database_url), tmp_path / "mine.tar").path
    with pytest.raises(BackupError, match=r"psql failed: new row .* violates check constraint") as caught:
        restored(other_url, file)
    assert "values stay here" not in str(caught.value)
    assert tables(other_url) == set()


# When the lock is had, and what psql then still locks.
LOCKED_AT_LAST = """
    WITH locked AS MATERIALIZED (SELECT pg_advisory_lock(:key))
    SELECT (SELECT count(*) FROM locked),
           (SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE application_name = 'psql' AND datname = current_database() AND locktype = 'relation')
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_restore_that_is_ended_changes_nothing_and_lets_nobody_in_before_psql_is_done(
    how: signal.Signals, database_url: str, taken: Path
) -> None:
    before = everything(database_url)
    options = ("--replace", "--no-prompt", "--while-connected")
    env = environment(DATABASE_URL=database_url, DB_MIGRATE_LOCK_TIMEOUT="600")
    with (
        holding(database_url, "LOCK TABLE users IN ACCESS SHARE MODE") as wait_for_a_waiter,
        running((*RESTORE, str(taken), *options), env, ROOT, taken.with_name("log")) as process,
    ):
        wait_for_a_waiter()
        programs = psutil.Process(process.pid).children(recursive=True)
        assert "psql" in [program.name() for program in programs]
        # Ctrl-C is for the whole group.
        (os.killpg if how is signal.SIGINT else os.kill)(process.pid, how)
        process.wait()
        # What psql waits for is not free, and still it ends.
        assert query(database_url, LOCKED_AT_LAST, key=LOCK_KEY) == [(1, 0)]
        assert psutil.wait_procs(programs, timeout=60)[1] == []
    assert everything(database_url) == before


def test_psql_that_is_left_alone_keeps_the_lock(database_url: str, taken: Path) -> None:
    """The application's session is ended, as by an administrator, and not the process."""
    options = ("--replace", "--no-prompt", "--while-connected")
    env = environment(DATABASE_URL=database_url, DB_MIGRATE_LOCK_TIMEOUT="600")
    end = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = 'plimsoll backups'"
    with (
        holding(database_url, "LOCK TABLE users IN ACCESS SHARE MODE") as wait_for_a_waiter,
        running((*RESTORE, str(taken), *options), env, ROOT, taken.with_name("log")),
    ):
        wait_for_a_waiter()
        assert query(database_url, f"{end} AND datname = current_database()") == [(True,)]
        assert query(database_url, "SELECT pg_try_advisory_lock(:key)", key=LOCK_KEY) == [(False,)]


def test_replace_is_refused_while_others_are_connected(database_url: str, taken: Path) -> None:
    before = everything(database_url)
    with holding(f"{database_url}&application_name=the-application", "SELECT 1"):
        with pytest.raises(BackupError, match=r"Others are connected .* the-application \(1\).*--while-connected"):
            restored(database_url, taken, replace=True)
        assert everything(database_url) == before
        restored(database_url, taken, replace=True, while_connected=True)


def test_tables_in_use_are_not_waited_for_long(database_url: str, taken: Path) -> None:
    before = everything(database_url)
    with holding(database_url, "SELECT * FROM users"), open_archive(taken) as archive:
        settings = settings_for(database_url, db_migrate_lock_timeout=0.1)
        with pytest.raises(BackupError, match="lock timeout"):
            restore(settings, archive, replace=True, while_connected=True)
    assert everything(database_url) == before


def test_nobody_migrates_meanwhile(database_url: str, taken: Path) -> None:
    somebody = holding(database_url, f"SELECT pg_advisory_lock({LOCK_KEY})")
    with somebody, pytest.raises(MigrationFailedError, match="lock for schema changes"):
        restored(database_url, taken, replace=True)


def test_lock_is_held_throughout(empty_database_url: str, taken: Path) -> None:
    results: list[Restored] = []
    thread = threading.Thread(target=lambda: results.append(restored(empty_database_url, taken)))
    with holding(empty_database_url, STOP_RESTORE) as wait_for_a_waiter:
        thread.start()
        wait_for_a_waiter()
        with pytest.raises(MigrationFailedError, match="plimsoll backups"):
            upgrade(settings_for(empty_database_url, db_migrate_lock_wait=0.0))
    thread.join()
    assert len(results) == 1


def test_backup_of_a_newer_release_is_restored_and_said(
    database_url: str, empty_database_url: str, release: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    revision = release.add("pass")
    upgrade(settings_for(database_url))
    file = backup(settings_for(database_url), tmp_path / "newer.tar").path
    monkeypatch.undo()
    assert restored(empty_database_url, file).unknown == (revision,)
    said = run(
        "litestar",
        "database",
        "restore",
        str(file),
        "--replace",
        "--no-prompt",
        env=environment(DATABASE_URL=empty_database_url),
    )
    assert said.returncode == 0
    assert f"WARNING: revision {revision} is of a newer release" in said.stderr
    assert "litestar database status" in said.stderr


def test_backup_of_an_older_release_names_the_next_command(
    empty_database_url: str, other_url: str, tmp_path: Path
) -> None:
    upgrade(settings_for(empty_database_url), "1d9c6f0b7a31")
    file = backup(settings_for(empty_database_url), tmp_path / "older.tar").path
    said = run("litestar", "database", "restore", str(file), "--json", env=environment(DATABASE_URL=other_url))
    assert json.loads(said.stdout)["revisions"] == ["1d9c6f0b7a31"]
    assert "litestar database upgrade" in said.stderr
    upgrade(settings_for(other_url))
    assert applied(other_url) == [HEAD]


def test_pg_restore_older_than_the_backup_is_refused(empty_database_url: str, taken: Path) -> None:
    settings = settings_for(empty_database_url, pg_bin_dir=older_binaries())
    refused = pytest.raises(BackupError, match="needs a pg_restore of version 18 or later; found here: 15")
    with open_archive(taken) as archive, refused:
        restore(settings, archive)


def test_planner_knows_the_restored_tables(empty_database_url: str, taken: Path) -> None:
    restored(empty_database_url, taken)
    assert query(empty_database_url, "SELECT reltuples FROM pg_class WHERE relname = 'users'") == [(50.0,)]


def test_progress_comes_to_an_end(empty_database_url: str, taken: Path) -> None:
    seen: list[BackupProgress] = []
    done = restored(empty_database_url, taken, report=seen.append)
    sent = [progress.done for progress in seen if progress.step == "Restoring"]
    assert sent[-1] == done.manifest.size


def test_every_bar_comes_to_its_end_where_there_is_nothing_to_count(empty_database_url: str, tmp_path: Path) -> None:
    file, env = str(tmp_path / "mine.tar"), environment(DATABASE_URL=empty_database_url)
    steps = {
        "backup": ("Counting rows", "Dumping"),
        "restore": ("Checking the file", "Restoring", "Counting rows", "Collecting statistics"),
    }
    for command, bars in steps.items():
        shown = shown_on_a_terminal("litestar", "database", command, file, env=env)
        for bar in bars:
            assert "100%" in shown[shown.rindex(bar) :].splitlines()[0], (command, bar)


def test_altered_file_is_refused_before_the_database_is_asked(taken: Path, tmp_path: Path) -> None:
    content = bytearray(taken.read_bytes())
    content[len(content) // 2] ^= 1
    file = tmp_path / "altered.tar"
    file.write_bytes(content)
    nobody = environment(DATABASE_URL="postgresql://127.0.0.1:1/nowhere")
    refused = run("litestar", "database", "restore", str(file), env=nobody)
    assert refused.returncode == 5
    assert "was altered" in refused.stderr


def test_replacing_asks_and_without_a_terminal_that_is_a_usage_error(database_url: str, taken: Path) -> None:
    before = everything(database_url)
    result = run("litestar", "database", "restore", str(taken), "--replace", env=environment(DATABASE_URL=database_url))
    assert (result.returncode, result.stdout) == (2, "")
    assert "--no-prompt" in result.stderr
    assert everything(database_url) == before


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_question_names_the_database_and_what_goes(answer: str, code: int, database_url: str, taken: Path) -> None:
    query(database_url, "UPDATE users SET name = 'newer'")
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [BIN / "litestar", "database", "restore", taken, "--replace"],
        env=in_checkout(environment(DATABASE_URL=database_url), ROOT),
        stdin=theirs,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, f"{answer}\n".encode())
    _, said = process.communicate(timeout=PATIENCE)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == code, said
    ((name,),) = query(database_url, "SELECT current_database()")
    assert f"/{name}: {TABLES} tables (public." in said
    ((newer,),) = query(database_url, "SELECT count(*) FROM users WHERE name = 'newer'")
    assert newer == (50 if code else 0)
