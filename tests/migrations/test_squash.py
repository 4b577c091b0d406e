"""`squash`: one file that makes what all revisions up to one of them make, or a clear refusal."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner

from app.migrator import MigrationFailedError, SettingsError, upgrade
from app.migrator.cli.main import main
from app.migrator.squash.render import make_sections
from app.migrator.squash.scratch import SquashRefusedError
from app.migrator.squash.squash import squash
from tests.conftest import cloned, settings_for
from tests.migrations.conftest import HEAD, Release
from tests.support.database import applied, by_driver, query
from tests.support.migrator import squash as squash_ours
from tests.support.plain_project import PlainProject
from tests.support.processes import environment
from tests.support.squash import LAST, add_one_of_each_kind, add_tables, baselines
from tests.support.waiting import PATIENCE

Dump = Callable[[str], str]


@pytest.fixture
def other_url(server_url: str, administer: Callable[[str], None]) -> Iterator[str]:
    """Another empty database."""
    with cloned(server_url, administer, "template1") as url:
        yield url


@pytest.fixture
def login(administer: Callable[[str], None], empty_database_url: str) -> Iterator[str]:
    """A role that owns nothing but its schema, and may make no database."""
    name = f"someone_{os.urandom(4).hex()}"
    administer(f"CREATE ROLE {name} LOGIN")
    query(empty_database_url, f"GRANT CREATE ON SCHEMA public TO {name}")
    yield name
    query(empty_database_url, f"DROP OWNED BY {name} CASCADE")
    administer(f"DROP ROLE {name}")


def scratch_databases(url: str) -> list[tuple[str]]:
    of_this_one = "datname LIKE left(current_database(), 40) || '_squash_%'"
    return query(url, f"SELECT datname::text FROM pg_database WHERE {of_this_one}")


def with_options(url: str, options: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}options={options}"


def test_baseline_makes_one_of_each_kind_of_object_as_the_revisions_do(
    project: PlainProject,
    empty_database_url: str,
    other_url: str,
    dump_schema: Dump,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_one_of_each_kind(project)
    upgrade(project.config)
    done = squash(project.config, "head")
    assert (done.revision, len(done.replaced), done.rows) == (LAST, int(LAST[1:]) + 1, ())
    assert done.path == project.root / "migrations" / "baselines" / f"{LAST}_baseline.py"
    assert scratch_databases(empty_database_url) == []
    monkeypatch.setenv("DATABASE_URL", by_driver(other_url, "postgresql+psycopg"))
    upgrade(project.config)
    assert reworded(dump_schema(other_url)) == reworded(dump_schema(empty_database_url))
    assert applied(other_url) == applied(empty_database_url)
    assert query(other_url, "SELECT count(*) FROM schema_history WHERE direction = 'upgrade'") == [(1,)]


def reworded(dumped: str) -> str:
    """Return a dump with IN of a varchar as PostgreSQL words it at its first reading."""
    return (
        dumped.replace("(ARRAY['new'::character varying, 'sent'::character varying])::text[]", "REWORDED")
        .replace("ARRAY[('new'::character varying)::text, ('sent'::character varying)::text]", "REWORDED")
        .replace("(REWORDED)", "REWORDED")
    )


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg"])
def test_baseline_runs_in_another_schema_as_a_role_that_owns_nothing_else(
    project: PlainProject, empty_database_url: str, login: str, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("r0", "op.execute('CREATE TABLE t (id serial PRIMARY KEY)')")
    project.add(
        "r1",
        """
        op.execute("SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true)")
        op.execute("CREATE FUNCTION f(a integer, b text) RETURNS integer LANGUAGE sql SET search_path FROM CURRENT"
                   " AS 'SELECT id FROM t'")
        op.execute("CREATE FUNCTION g() RETURNS integer LANGUAGE sql AS 'SELECT id FROM t'")
        """,
    )
    squash(project.config, "r1")
    query(empty_database_url, f"CREATE SCHEMA theirs AUTHORIZATION {login}")
    theirs = with_options(empty_database_url.replace("postgres@", f"{login}@"), "-csearch_path%3Dtheirs")
    monkeypatch.setenv("DATABASE_URL", by_driver(theirs, driver))
    upgrade(project.config)
    paths = "SELECT proname::text, proconfig FROM pg_proc WHERE pronamespace = 'theirs'::regnamespace ORDER BY 1"
    assert query(empty_database_url, paths) == [("f", ["search_path=theirs, pg_temp"]), ("g", None)]
    default = "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'theirs.t'::regclass"
    assert query(empty_database_url, default) == [("nextval('theirs.t_id_seq'::regclass)",)]


def test_rows_that_revisions_insert_are_refused_or_asked_for(project: PlainProject, empty_database_url: str) -> None:
    project.add("r0", "op.execute('CREATE TABLE t (id integer GENERATED ALWAYS AS IDENTITY, what text)')")
    project.add("r1", "op.execute(r\"INSERT INTO t (what) VALUES ('it''s \\:one, 100%'), (NULL)\")")
    with pytest.raises(SquashRefusedError, match=r"insert rows into t\. Put them into the baseline \(--with-rows\)"):
        squash(project.config, "r1")
    assert baselines(project) == []
    assert squash(project.config, "r1", with_rows=True).rows == ("t",)
    upgrade(project.config)
    query(empty_database_url, "INSERT INTO t (what) VALUES ('three')")
    assert query(empty_database_url, "SELECT id, what FROM t ORDER BY id") == [
        (1, "it's :one, 100%"),
        (2, None),
        (3, "three"),
    ]


def test_words_that_change_when_they_are_read_again_are_no_difference(
    project: PlainProject, empty_database_url: str
) -> None:
    """PostgreSQL words a check of a varchar in one way when it is made, and in another once a dump is restored."""
    project.add("r0", "op.execute(\"CREATE TABLE t (a varchar(5) CHECK (a IN ('x', 'y')))\")")
    project.add("r1", "op.execute('CREATE TABLE u (id integer)')")
    assert squash(project.config, "r1").path.exists()
    upgrade(project.config)
    assert applied(empty_database_url) == ["r1"]


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ("op.execute('CREATE ROLE nobody_knows_it')", "Revision r1 .* has `CREATE ROLE`, which changes the server"),
        ("op.execute(\"ALTER  database template1 SET work_mem = '1MB'\")", "`ALTER database`"),
        ("op.execute('DO $$ BEGIN GRANT TEMP ON DATABASE template1 TO PUBLIC; END $$')", "`ON DATABASE`"),
        (
            """
            op.execute("ALTER DEFAULT PRIVILEGES IN SCHEMA " + op.get_bind().exec_driver_sql(
                "SELECT current_schema()").scalar() + " GRANT SELECT ON TABLES TO pg_monitor")
            """,
            "DEFAULT ACL .* names the schema in which it is",
        ),
    ],
)
def test_what_a_baseline_would_lack_is_refused(project: PlainProject, second: str, reason: str) -> None:
    project.add("r0", "op.execute('CREATE TABLE t (id integer)')")
    project.add("r1", second)
    with pytest.raises(SquashRefusedError, match=reason):
        squash(project.config, "r1")
    assert baselines(project) == []


def test_baseline_that_would_not_make_the_same_is_refused_with_the_difference(
    project: PlainProject, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_tables(project)
    monkeypatch.setattr(
        "app.migrator.squash.squash.make_sections",
        lambda entries, *names: make_sections([each for each in entries if each.name != "t3"], *names),
    )
    with pytest.raises(SquashRefusedError, match=r"(?s)does not make the same.*-CREATE TABLE .*t3"):
        squash(project.config, "r3")
    assert baselines(project) == []
    assert scratch_databases(empty_database_url) == []


def test_revision_that_fails_is_told_and_leaves_no_database(project: PlainProject, empty_database_url: str) -> None:
    project.add("r0", "op.execute('CREATE TABLE t (id integer)')")
    project.add("r1", "op.execute('CREATE TABLE t (id integer)')")
    with pytest.raises(MigrationFailedError, match=r"Revision r1 .* could not be applied"):
        squash(project.config, "r1")
    assert scratch_databases(empty_database_url) == []


def test_one_revision_or_none_is_nothing_to_squash(project: PlainProject) -> None:
    add_tables(project)
    for revision in ("r0", "base"):
        with pytest.raises(SquashRefusedError, match="not two revisions"):
            squash(project.config, revision)
    with pytest.raises(MigrationFailedError, match="Can't locate revision"):
        squash(project.config, "nothing")


def test_file_that_is_there_is_not_written_again(project: PlainProject) -> None:
    add_tables(project)
    path = squash(project.config, "r2").path
    before = path.read_text()
    with pytest.raises(SquashRefusedError, match="is there already"):
        squash(project.config, "r2")
    assert path.read_text() == before


def test_role_that_may_make_no_database_is_told_what_to_do_instead(
    project: PlainProject, empty_database_url: str, other_url: str, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_tables(project)
    monkeypatch.setenv("DATABASE_URL", empty_database_url.replace("postgres@", f"{login}@"))
    with pytest.raises(SquashRefusedError, match=r"may not make one .* --scratch URL"):
        squash(project.config, "r3")
    squash(project.config, "r3", scratch=other_url)
    left = "SELECT nspname::text, relname::text FROM pg_namespace AS n LEFT JOIN pg_class ON relnamespace = n.oid"
    assert query(other_url, f"{left} WHERE nspname !~ '^pg_|^information_schema'") == [("public", None)]


def test_scratch_database_that_holds_something_is_refused(project: PlainProject, empty_database_url: str) -> None:
    add_tables(project)
    query(empty_database_url, "CREATE TABLE kept AS SELECT 1 AS x")
    with pytest.raises(SquashRefusedError, match=r"not empty: it holds 1 table \(public.kept\)"):
        squash(project.config, "r3", scratch=empty_database_url)
    assert query(empty_database_url, "SELECT * FROM kept") == [(1,)]
    with pytest.raises(SettingsError, match="--scratch"):
        squash(project.config, "r3", scratch="mysql://nobody@nowhere/x")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_leaves_neither_file_nor_database(
    project: PlainProject, empty_database_url: str, number: signal.Signals
) -> None:
    add_tables(project)
    # It tells of itself by its lock, once it is in the middle.
    project.add("slow", 'op.execute("SELECT pg_sleep(600)")')
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from app.migrator.cli.main import main; main()",
            "-c",
            str(project.ini),
            "squash",
            "slow",
        ],
        env=environment(DATABASE_URL=empty_database_url),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        sleeping = (
            "SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"
            " AND datname LIKE left(current_database(), 40) || '_squash_%'"
        )
        while process.poll() is None and not query(empty_database_url, sleeping):
            pass
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number, said
    assert scratch_databases(empty_database_url) == []
    assert baselines(project) == []


def test_command_prints_the_files_name_and_refusals_have_exit_code_1(project: PlainProject) -> None:
    add_tables(project)
    command = ["-c", str(project.ini), "squash"]
    done = CliRunner().invoke(main, [*command, "r1", "--json"])
    path = str(project.root / "migrations" / "baselines" / "r1_baseline.py")
    assert json.loads(done.stdout) == {"file": path, "revision": "r1", "replaced": ["r0", "r1"], "tables_with_rows": []}
    done = CliRunner().invoke(main, [*command, "r2"])
    assert (done.exit_code, done.stdout) == (0, path.replace("r1", "r2") + "\n")
    assert "It takes the place of 3 revisions" in done.stderr
    refused = CliRunner().invoke(main, [*command, "r2"])
    assert (refused.exit_code, "is there already" in refused.stderr) == (1, True)
    unknown = CliRunner().invoke(main, [*command, "nothing"])
    assert unknown.exit_code == MigrationFailedError.exit_code


def test_project_of_this_repository_can_be_squashed(whole_release: Release, server_url: str) -> None:
    (path,) = (whole_release.root / "migrations" / "baselines").glob("*.py")
    path.unlink()
    done = squash_ours(settings_for(server_url), "head")
    assert (done.revision, done.path.name) == (HEAD, path.name)
