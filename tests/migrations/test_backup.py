"""`litestar database backup`: one file, one moment, never half a backup under its name."""

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from app import __version__
from app.core.settings import Settings
from app.migrator.backup.archive import open_archive
from app.migrator.backup.backup import Backup
from app.migrator.backup.manifest import BackupProgress
from app.postgres.errors import BackupError, DatabaseUnreachableError
from app.postgres.settings_error import SettingsError
from tests.conftest import settings_for
from tests.migrations.conftest import older_binaries
from tests.support import stopping
from tests.support.database import applied, holding, insert, query
from tests.support.migrator import backup
from tests.support.processes import BIN, ROOT, environment, in_checkout, run
from tests.support.throwaway_postgres import Server, new_cluster, running
from tests.support.waiting import PATIENCE

# pg_dump reads it after it has taken over the snapshot, and nobody else does: it has no system cache either, which a
# session may fill while it starts.
STOP_PG_DUMP = "LOCK TABLE pg_catalog.pg_init_privs IN ACCESS EXCLUSIVE MODE"
PASSWORD = "gr ün&%'"


@contextmanager
def stopped_backup(settings: Settings, superuser_url: str, file: Path) -> Iterator[list[Backup | BackupError]]:
    """A backup whose pg_dump waits until the end of the block; then there is its result."""
    results: list[Backup | BackupError] = []

    def take() -> None:
        try:
            results.append(backup(settings, file))
        except BackupError as exc:
            results.append(exc)

    thread = threading.Thread(target=take)
    with holding(superuser_url, STOP_PG_DUMP) as wait_for_a_waiter:
        thread.start()
        wait_for_a_waiter()
        yield results
    thread.join()


def add_organization(url: str, name: str) -> None:
    insert(url, "organizations", name=name)


def test_manifest_tells_what_was_backed_up(database_url: str, tmp_path: Path) -> None:
    add_organization(database_url, "first")
    ((begin,),) = query(database_url, "SELECT now()")
    done = backup(settings_for(database_url), tmp_path / "mine.tar")
    manifest = done.manifest
    assert done.path == tmp_path / "mine.tar"
    assert list(manifest.revisions) == applied(database_url)
    assert manifest.release == __version__
    assert manifest.rows["public.organizations"] == 1
    assert manifest.rows["public.tasks"] == 0
    assert [(manifest.database,)] == query(database_url, "SELECT current_database()")
    assert [(manifest.server,)] == query(database_url, "SELECT current_setting('server_version')")
    assert manifest.pg_dump.partition(".")[0] == manifest.server.partition(".")[0]
    made_meanwhile = "SELECT CAST(:at AS timestamptz) BETWEEN CAST(:begin AS timestamptz) AND now()"
    assert query(database_url, made_meanwhile, at=manifest.created_at, begin=begin) == [(True,)]
    with open_archive(done.path) as archive:
        assert archive.manifest == manifest


def test_database_whose_version_is_no_revision_is_backed_up_all_the_same(database_url: str, tmp_path: Path) -> None:
    query(database_url, "DROP TABLE alembic_version")
    query(database_url, "CREATE TABLE alembic_version AS SELECT n AS version_num FROM unnest(ARRAY[5, NULL]) AS n")
    assert backup(settings_for(database_url), tmp_path / "mine.tar").manifest.revisions == ("5",)


def test_file_is_readable_by_hand(database_url: str, postgres_bin: Path, tmp_path: Path) -> None:
    done = backup(settings_for(database_url), tmp_path / "mine.tar")
    subprocess.run(["tar", "xf", done.path], cwd=tmp_path, check=True)
    checked = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert checked.stdout.split() == ["database.dump:", "OK", "manifest.json:", "OK"]
    assert json.loads((tmp_path / "manifest.json").read_text())["sha256"] == done.manifest.sha256
    listed = subprocess.run(
        [postgres_bin / "pg_restore", "-l", "database.dump"], cwd=tmp_path, capture_output=True, check=True
    )
    assert b"TABLE DATA public tasks" in listed.stdout


def test_rows_and_dump_are_of_one_moment(database_url: str, postgres_bin: Path, tmp_path: Path) -> None:
    add_organization(database_url, "before")
    with stopped_backup(settings_for(database_url), database_url, tmp_path / "mine.tar") as results:
        add_organization(database_url, "during")
        query(database_url, "UPDATE alembic_version SET version_num = 'later'")
    (done,) = results
    assert isinstance(done, Backup)
    assert done.manifest.rows["public.organizations"] == 1
    assert "later" not in done.manifest.revisions
    with open_archive(done.path) as archive:
        script = subprocess.run(
            [postgres_bin / "pg_restore", "-a", "-f", "-"],
            input=b"".join(archive.dump()),
            capture_output=True,
            check=True,
        ).stdout
    assert b"before" in script
    assert b"during" not in script
    assert b"later" not in script


def test_table_that_is_being_rewritten_is_not_taken_for_an_empty_one(database_url: str, tmp_path: Path) -> None:
    add_organization(database_url, "kept")
    results: list[Backup] = []
    thread = threading.Thread(target=lambda: results.append(backup(settings_for(database_url), tmp_path / "mine.tar")))
    rewrite = "ALTER TABLE organizations ADD COLUMN volatile uuid DEFAULT gen_random_uuid()"
    with holding(database_url, rewrite) as wait_for_a_waiter:
        thread.start()
        wait_for_a_waiter()
    thread.join()
    assert results[0].manifest.rows["public.organizations"] == 1


def test_table_made_while_the_backup_waits_is_in_it(database_url: str, tmp_path: Path) -> None:
    results: list[Backup] = []
    thread = threading.Thread(target=lambda: results.append(backup(settings_for(database_url), tmp_path / "mine.tar")))
    with holding(database_url, "CREATE TABLE late AS SELECT 1 AS x; LOCK TABLE tasks") as wait_for_a_waiter:
        thread.start()
        wait_for_a_waiter()
    thread.join()
    assert results[0].manifest.rows["public.late"] == 1


def test_existing_file_is_never_overwritten(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.tar"
    file.write_text("precious")
    with pytest.raises(BackupError, match="is there already"):
        backup(settings_for(database_url), file)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("mine.tar", "precious")]


def test_file_that_appears_during_the_backup_is_not_overwritten(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.tar"
    with stopped_backup(settings_for(database_url), database_url, file) as results:
        (partial,) = tmp_path.iterdir()
        assert partial.name.endswith(".partial")
        assert partial.stat().st_mode & 0o777 == 0o600
        file.write_text("precious")
    assert "is there already" in str(results[0])
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("mine.tar", "precious")]


def test_backup_is_for_its_owner_alone(database_url: str, tmp_path: Path) -> None:
    done = backup(settings_for(database_url), tmp_path / "mine.tar")
    assert done.path.stat().st_mode & 0o777 == 0o600


def test_name_is_made_of_database_time_and_revision(database_url: str, tmp_path: Path) -> None:
    done = backup(settings_for(database_url), tmp_path)
    (revision,) = done.manifest.revisions
    assert done.path.parent == tmp_path
    assert re.fullmatch(rf"{done.manifest.database}-\d{{8}}T\d{{6}}Z-{revision}\.tar", done.path.name)


def test_empty_database_can_be_backed_up(empty_database_url: str, tmp_path: Path) -> None:
    done = backup(settings_for(empty_database_url), tmp_path)
    assert (done.manifest.rows, done.manifest.revisions) == ({}, ())
    assert done.path.name.endswith("-no-revision.tar")


def test_progress_counts_the_tables(database_url: str, tmp_path: Path) -> None:
    seen: list[BackupProgress] = []
    done = backup(settings_for(database_url), tmp_path / "mine.tar", seen.append)
    dumped = [progress for progress in seen if progress.step == "Dumping"]
    assert [progress.done for progress in dumped] == list(range(len(done.manifest.rows) + 1))
    assert "public.tasks" in "".join(progress.detail for progress in dumped)


def test_limits_of_the_role_do_not_end_a_backup(database_url: str, tmp_path: Path) -> None:
    ((name,),) = query(database_url, "SELECT current_database()")
    for limit in ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"):
        query(database_url, f'ALTER DATABASE "{name}" SET {limit} = 100')
    unlimited = f"{database_url}&options=-cstatement_timeout%3D0%20-ctransaction_timeout%3D0"
    results: list[Backup] = []
    thread = threading.Thread(target=lambda: results.append(backup(settings_for(database_url), tmp_path / "mine.tar")))
    unlimited += "%20-cidle_in_transaction_session_timeout%3D0"
    with holding(unlimited, STOP_PG_DUMP) as wait_for_a_waiter:
        thread.start()
        wait_for_a_waiter()
        query(unlimited, "SELECT pg_sleep(0.2)")
    thread.join()
    assert len(results) == 1


def test_table_that_may_not_be_read_is_named(
    database_url: str, administer: Callable[[str], None], tmp_path: Path
) -> None:
    query(database_url, "DROP ROLE IF EXISTS half_blind")
    query(database_url, "CREATE ROLE half_blind LOGIN")
    try:
        settings = settings_for(database_url.replace("//postgres@", "//half_blind@"))
        with pytest.raises(BackupError, match="permission denied for table") as caught:
            backup(settings, tmp_path / "mine.tar")
    finally:
        query(database_url, "DROP ROLE half_blind")
    assert caught.value.exit_code == 5
    assert list(tmp_path.iterdir()) == []


def test_pg_dump_that_fails_leaves_nothing(database_url: str, tmp_path: Path) -> None:
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_dump'"
    with stopped_backup(settings_for(database_url), database_url, tmp_path / "mine.tar") as results:
        query(database_url, f"{end} AND datname = current_database()")
    assert "pg_dump failed: " in str(results[0])
    assert list(tmp_path.iterdir()) == []


def test_pg_dump_older_than_the_server_is_an_error_before_anything_starts(database_url: str, tmp_path: Path) -> None:
    settings = settings_for(database_url, pg_bin_dir=older_binaries())
    with pytest.raises(BackupError, match=r"PostgreSQL 18 needs a pg_dump of version 18 .* 15\.\d+ \(/usr") as caught:
        backup(settings, tmp_path / "mine.tar")
    assert "postgresql-client-18" in str(caught.value)
    assert "PG_BIN_DIR" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_directory_without_the_programs_is_a_wrong_setting(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="PG_BIN_DIR"):
        backup(settings_for(database_url, pg_bin_dir=tmp_path), tmp_path / "mine.tar")


def test_folder_that_is_not_there_is_said_plainly(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"cannot be written: there is no directory .*missing"):
        backup(settings_for(database_url), tmp_path / "missing" / "mine.tar")


@pytest.fixture(scope="module")
def guarded() -> Iterator[Server]:
    """A server that asks for a password over TCP."""
    with (
        new_cluster("local all all trust\nhost all all all scram-sha-256\n") as directory,
        running(directory) as server,
    ):
        literal = PASSWORD.replace("'", "''")
        server.execute(f"CREATE ROLE app SUPERUSER LOGIN PASSWORD '{literal}'", "CREATE DATABASE app OWNER app")
        yield server


def test_password_is_in_no_command_line(guarded: Server, tmp_path: Path) -> None:
    url = f"postgresql://app:gr%20%C3%BCn%26%25'@127.0.0.1:{guarded.port}/app"
    superuser = f"postgresql://postgres@/app?host={guarded.directory}&port={guarded.port}"
    with stopped_backup(settings_for(url), superuser, tmp_path / "mine.tar") as results:
        children = psutil.Process().children(recursive=True)
        (dumping,) = [child for child in children if child.name() == "pg_dump"]
        command_line = Path(f"/proc/{dumping.pid}/cmdline").read_bytes()
        assert b"--snapshot=" in command_line
        for form in (PASSWORD, "gr%20", "ün"):
            assert form.encode() not in command_line
    assert isinstance(results[0], Backup)


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_password_that_the_application_finds_is_that_of_the_programs(
    driver: str, guarded: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "passwords").write_text(f"127.0.0.1:{guarded.port}:app:app:{PASSWORD}\n")
    (tmp_path / "passwords").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "passwords"))
    url = f"{driver}://app@127.0.0.1:{guarded.port}/app"
    assert backup(settings_for(url), tmp_path / "mine.tar").manifest.database == "app"


def test_wrong_password_is_exit_code_4_and_not_shown(guarded: Server, tmp_path: Path) -> None:
    url = f"postgresql://app:wrong-secret@127.0.0.1:{guarded.port}/app"
    with pytest.raises(DatabaseUnreachableError) as caught:
        backup(settings_for(url), tmp_path / "mine.tar")
    assert caught.value.exit_code == 4
    assert "password" in str(caught.value)
    assert "wrong-secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_command_prints_the_name_or_the_manifest(database_url: str, tmp_path: Path) -> None:
    env = environment(DATABASE_URL=database_url)
    named = run("litestar", "database", "backup", str(tmp_path / "one.tar"), env=env)
    assert (named.returncode, named.stdout) == (0, f"{tmp_path}/one.tar\n"), named.stderr
    told = run("litestar", "database", "backup", str(tmp_path / "two.tar"), "--json", env=env)
    manifest = json.loads(told.stdout)
    assert manifest["file"] == f"{tmp_path}/two.tar"
    assert manifest["rows"]["public.tasks"] == 0
    again = run("litestar", "database", "backup", str(tmp_path / "two.tar"), env=env)
    assert (again.returncode, again.stdout) == (5, "")
    assert again.stderr.startswith("Error: ")


@pytest.mark.parametrize(
    ("how", "leftovers"), [(signal.SIGKILL, [".partial"]), (signal.SIGINT, []), (signal.SIGTERM, [])]
)
def test_backup_that_is_ended_in_the_middle_leaves_none(
    how: signal.Signals,
    leftovers: list[str],
    database_url: str,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    command = ("litestar", "database", "backup", str(tmp_path / "mine.tar"))
    log = tmp_path_factory.mktemp("log") / "log"
    with (
        holding(database_url, STOP_PG_DUMP) as wait_for_a_waiter,
        stopping.running(command, environment(DATABASE_URL=database_url), ROOT, log) as process,
    ):
        wait_for_a_waiter()
        # Ctrl-C is for the whole group.
        (os.killpg if how is signal.SIGINT else os.kill)(process.pid, how)
        assert process.wait(timeout=PATIENCE) == (-how if how is signal.SIGKILL else 128 + how)
    assert (f"Stopped by {how.name}" in log.read_text()) is (how is not signal.SIGKILL)
    left = list(tmp_path.iterdir())
    assert [path.suffix for path in left] == leftovers
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in left)


def test_full_disk_leaves_nothing_and_is_said_plainly(database_url: str, tmp_path: Path) -> None:
    query(database_url, "CREATE TABLE big AS SELECT md5(x::text) FROM generate_series(1, 20000) AS x")
    # No file may grow beyond 256 KiB.
    script = 'ulimit -f 256; exec "$0" database backup "$1"'
    result = subprocess.run(
        ["bash", "-c", script, BIN / "litestar", tmp_path / "mine.tar"],
        env=in_checkout(environment(DATABASE_URL=database_url), ROOT),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.returncode == 5
    assert "cannot be written: File too large" in result.stderr
    assert list(tmp_path.iterdir()) == []
