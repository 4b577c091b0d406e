"""What projects of others rely on, in a small one that has nothing but Alembic and the engine."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from click.testing import CliRunner

from app.migrator import (
    MigrationFailedError,
    SettingsError,
    downgrade,
    read_config,
    read_status,
    upgrade,
    upgrade_at_start,
)
from app.migrator.backfill.runs import run as run_backfills
from app.migrator.backfill.status import BackfillUnfinishedError
from app.migrator.backfill.throttle import Throttle
from app.migrator.cli.main import main
from app.migrator.drift.report import read_drift
from app.migrator.execution.data_loss import DataLossRefusedError
from app.migrator.lint.linter import lint
from app.migrator.revisions.alembic_config import alembic_config
from app.migrator.revisions.loading import load_revisions, oldest_first, phase_of
from tests.support.database import applied, query
from tests.support.plain_project import PlainProject
from tests.support.processes import environment, run


def test_three_upgrades_in_threads_of_one_process_wait_for_each_other(
    project: PlainProject, empty_database_url: str
) -> None:
    for number in range(8):
        project.add(f"r{number}", f'op.execute("CREATE TABLE t{number} (id integer)")')
    with ThreadPoolExecutor(3) as pool:
        for ended in [pool.submit(lambda: upgrade(project.config)) for _ in range(3)]:
            ended.result()
    assert applied(empty_database_url) == ["r7"]
    assert query(empty_database_url, "SELECT count(*), count(DISTINCT revision) FROM schema_history") == [(8, 8)]


def test_three_starts_in_one_event_loop_wait_for_each_other(project: PlainProject, empty_database_url: str) -> None:
    for number in range(3):
        project.add(f"r{number}", f'op.execute("CREATE TABLE t{number} (id integer)")')

    async def start() -> None:
        config = project.config
        await asyncio.gather(*(upgrade_at_start(config) for _ in range(3)))

    asyncio.run(start())
    assert applied(empty_database_url) == ["r2"]


def test_downgrade_that_loses_nothing_is_not_refused(project: PlainProject, empty_database_url: str) -> None:
    project.add("first", 'op.execute("CREATE TABLE t (id integer)")', 'op.drop_table("t")')
    project.add("second", 'op.create_index("i", "t", ["id"])', 'op.drop_index("i")')
    upgrade(project.config)
    downgrade(project.config, "first")
    assert applied(empty_database_url) == ["first"]
    with pytest.raises(DataLossRefusedError, match="table t: 0 rows"):
        downgrade(project.config, "base")
    assert applied(empty_database_url) == ["first"]


def test_downgrade_that_loses_nothing_asks_on_a_terminal_all_the_same(project: PlainProject) -> None:
    project.add("first", 'op.execute("CREATE TABLE t (id integer)")', 'op.drop_table("t")')
    project.add("second", 'op.create_index("i", "t", ["id"])', 'op.drop_index("i")')
    upgrade(project.config)
    refused = CliRunner().invoke(main, ["-c", str(project.ini), "downgrade"])
    assert (refused.exit_code, "There is no terminal to ask on" in refused.output) == (2, True)
    done = CliRunner().invoke(main, ["-c", str(project.ini), "downgrade", "--no-prompt"])
    assert done.exit_code == 0, done.output


def test_sql_is_printed_without_a_database(project: PlainProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    project.add("first", 'op.execute("CREATE TABLE t (id integer)")')
    printed = run("alembic", "upgrade", "head", "--sql", env=environment(DATABASE_URL=None), cwd=project.root)
    assert printed.returncode == 0, printed.stderr
    assert "CREATE TABLE t (id integer)" in printed.stdout
    refused = run("alembic", "upgrade", "head", env=environment(DATABASE_URL=None), cwd=project.root)
    assert (refused.returncode, "DATABASE_URL is not set" in refused.stderr) == (2, True)


def test_lint_without_a_database_reads_every_revision(project: PlainProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    project.add("first", 'op.execute("CREATE TABLE t (id bigint)")')
    report = lint(project.config)
    assert (report.linted, report.note) == (("first",), None)


def test_url_of_alembic_ini_is_used_where_no_variable_names_one(
    project: PlainProject, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    project.add("first", 'op.execute("CREATE TABLE t (id integer)")')
    ini = project.ini.read_text()
    project.ini.write_text(f"{ini}sqlalchemy.url = driver://user:pass@localhost/dbname\n")
    with pytest.raises(SettingsError, match="DATABASE_URL is not set"):
        upgrade(project.config)
    project.ini.write_text(f"{ini}sqlalchemy.url = sqlite:///here.db\n")
    with pytest.raises(SettingsError, match=r"^sqlalchemy\.url "):
        upgrade(project.config)
    project.ini.write_text(f"{ini}sqlalchemy.url = {empty_database_url.replace('%', '%%')}\n")
    upgrade(project.config)
    assert applied(empty_database_url) == ["first"]


def test_configuration_in_pyproject_toml_is_read(project: PlainProject, empty_database_url: str) -> None:
    project.add("first", 'op.execute("CREATE TABLE t (id integer)")')
    project.ini.unlink()
    toml = project.root / "pyproject.toml"
    toml.write_text('[tool.alembic]\nscript_location = "%(here)s/migrations"\n')
    for named in (toml, project.ini):
        assert read_status(read_config(named)).heads == ("first",)
    env = environment(DATABASE_URL=empty_database_url)
    assert run("alembic", "upgrade", "head", env=env, cwd=project.root).returncode == 0
    assert applied(empty_database_url) == ["first"]
    toml.write_text("[tool.other]\n")
    with pytest.raises(SettingsError, match="no pyproject"):
        read_config(project.ini)


def test_arguments_of_the_project_reach_its_revisions(project: PlainProject, empty_database_url: str) -> None:
    project.add(
        "first",
        """
        from alembic import context
        op.execute(f"CREATE TABLE {context.get_x_argument(as_dictionary=True)['tenant']} (id integer)")
        """,
    )
    env = environment(DATABASE_URL=empty_database_url)
    done = run("alembic", "-x", "tenant=acme", "-x", "verbose", "upgrade", "head", env=env, cwd=project.root)
    assert done.returncode == 0, done.stderr
    assert query(empty_database_url, "SELECT count(*) FROM acme") == [(0,)]
    for slip in ("phse=expand", "accept_data_loss", "phase=Expand"):
        refused = run("alembic", "-x", slip, "upgrade", "head", env=env, cwd=project.root)
        assert (refused.returncode, f"-x {slip} is not known" in refused.stderr) == (2, True), slip


def test_version_table_may_have_a_schema_of_its_own(project: PlainProject, empty_database_url: str) -> None:
    query(empty_database_url, "CREATE SCHEMA meta")
    project.define('sa.Table("t", metadata, sa.Column("id", sa.Integer))', 'version_table_schema="meta"')
    project.add("first", 'op.execute("CREATE TABLE t (id integer)")', "pass")
    assert read_status(project.config).verdict == "pending"
    upgrade(project.config)
    assert query(empty_database_url, "SELECT version_num FROM meta.alembic_version") == [("first",)]
    assert query(empty_database_url, "SELECT to_regclass('public.alembic_version')") == [(None,)]
    assert read_status(project.config).verdict == "up to date"
    assert read_drift(project.config).differences == ()
    downgrade(project.config, "base")
    env = environment(DATABASE_URL=empty_database_url)
    printed = run("alembic", "upgrade", "head", "--sql", env=env, cwd=project.root)
    assert "CREATE TABLE meta.alembic_version" in printed.stdout
    refused = run("alembic", "check", env=env, cwd=project.root)
    assert "Target database is not up to date" in refused.stderr + refused.stdout


def test_project_without_releases_is_shown_none(project: PlainProject, postgres_bin: Path, tmp_path: Path) -> None:
    project.add("first", 'op.execute("CREATE TABLE t (id integer)")')
    upgrade(project.config)
    arguments = ["-c", str(project.ini)]
    kept = CliRunner().invoke(main, [*arguments, "backup", str(tmp_path / "kept")])
    assert kept.exit_code == 0, kept.output
    restored = CliRunner().invoke(main, [*arguments, "restore", str(tmp_path / "kept"), "--replace", "--no-prompt"])
    assert restored.exit_code == 0, restored.output
    assert "Restored" in restored.output
    assert "release" not in restored.output


LONG = "add_a_column_for_the_name_of_the_hero_0001"


def test_longer_ids_are_applied_where_the_column_was_widened(project: PlainProject, empty_database_url: str) -> None:
    project.add("first", 'op.execute("CREATE TABLE t (id bigint)")')
    upgrade(project.config)
    project.add(LONG, "pass")
    for refused in (upgrade, read_status):
        with pytest.raises(MigrationFailedError, match=f"{len(LONG)} characters, and the version table holds 32"):
            refused(project.config)
    assert [finding.rule for finding in lint(project.config).findings] == ["revision-id"]
    query(empty_database_url, "ALTER TABLE alembic_version ALTER version_num TYPE varchar(64)")
    assert "revision-id" not in {finding.rule for finding in lint(project.config).findings}
    upgrade(project.config)
    assert applied(empty_database_url) == [LONG]
    query(empty_database_url, "ALTER TABLE alembic_version ALTER version_num TYPE text")
    assert read_status(project.config).verdict == "up to date"


def test_revision_may_widen_the_column_for_the_ids_after_it(project: PlainProject, empty_database_url: str) -> None:
    project.add("first", 'op.alter_column("alembic_version", "version_num", type_=sa.String(50))')
    project.add(LONG, "pass")
    project.add("x" * 51, "pass")
    with pytest.raises(MigrationFailedError, match="its id has 51 characters, and alembic_version holds 50"):
        upgrade(project.config)
    assert applied(empty_database_url) == [LONG]


def test_printed_script_is_refused_where_its_version_table_would_not_hold_an_id(project: PlainProject) -> None:
    project.add(LONG, "pass")
    with pytest.raises(MigrationFailedError, match=f"{LONG} has {len(LONG)} characters"):
        upgrade(project.config, sql=True)


def test_hooks_of_the_project_shape_a_generated_revision(project: PlainProject) -> None:
    project.define(
        """
        class Point(sa.types.UserDefinedType):
            cache_ok = True

            def get_col_spec(self, **_):
                return "point"


        def render_item(type_, item, context):
            if type_ == "type" and isinstance(item, Point):
                context.imports.add("from sqlalchemy import Text as Point")
                return "Point()"
            return False


        def number(context, revision, directives):
            directives[0].rev_id = "0001"


        sa.Table("place", metadata, sa.Column("at", Point()))
        """,
        "render_item=render_item, process_revision_directives=number",
    )
    written = project.generate()
    assert 'revision = "0001"' in written.replace("'", '"')
    assert 'sa.Column("at", Point()' in written.replace("'", '"')


def test_generation_writes_several_revisions_with_their_phase_and_a_backfill(
    project: PlainProject, empty_database_url: str
) -> None:
    project.add("first", 'op.execute("CREATE TABLE t (id bigint PRIMARY KEY)")')
    upgrade(project.config)
    query(empty_database_url, "INSERT INTO t VALUES (1), (2)")
    project.define(
        """
        sa.Table(
            "t",
            metadata,
            sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("key", sa.Uuid, server_default=sa.func.gen_random_uuid(), nullable=False, unique=True),
        )
        """
    )
    project.ini.unlink()
    toml = project.root / "pyproject.toml"
    toml.write_text('[tool.alembic]\nscript_location = "%(here)s/migrations"\n')
    config = read_config(toml)
    command.revision(alembic_config(config), autogenerate=True)
    assert [file.name for file in (project.root / "migrations" / "backfills").iterdir()] == ["t_key.py"]
    with pytest.raises(BackfillUnfinishedError, match="t_key"):
        upgrade(config)
    run_backfills(config, None, Throttle(rate=0), lambda progress: None)
    upgrade(config)
    assert query(empty_database_url, "SELECT count(DISTINCT key) FROM t") == [(2,)]
    phases = [str(phase_of(script)) for script in oldest_first(load_revisions(config))]
    assert phases == ["expand", "expand", "contract", "contract", "contract", "contract", "contract"]
    command.check(alembic_config(config))


def test_partitions_says_that_no_model_is_partitioned(project: PlainProject) -> None:
    project.add("first", 'op.execute("CREATE TABLE t (id integer)")')
    upgrade(project.config)
    shown = CliRunner().invoke(main, ["-c", str(project.ini), "partitions"])
    assert (shown.exit_code, shown.output) == (0, "No model says that its table is partitioned by month.\n")


def test_failed_revision_is_told_in_words_that_any_project_has(project: PlainProject) -> None:
    project.add("first", 'op.execute("SELECT pg_sleep(60)")')
    project.define(fields="statement_timeout=0.1, lock_retries=0")
    with pytest.raises(MigrationFailedError, match="locks for a moment only, or raise that"):
        upgrade(project.config)
    told = CliRunner().invoke(main, ["-c", str(project.ini), "doctor"])
    assert "Stop automatic attempts, mend" in " ".join(told.output.split())
    project.define(fields='hints=Hints(stop_automatic="MIGRATE=0")')
    told = CliRunner().invoke(main, ["-c", str(project.ini), "doctor"])
    assert "Stop automatic attempts (MIGRATE=0), mend" in " ".join(told.output.split())
