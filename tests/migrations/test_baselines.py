"""A baseline beside the revisions that it replaces, and in their place."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.migrator import MigrationFailedError, downgrade, plan, read_status, upgrade
from app.migrator.backfill.runs import run as run_backfills
from app.migrator.backfill.status import read_backfills
from app.migrator.backfill.throttle import Throttle
from app.migrator.backup.backup import backup
from app.migrator.cli import upgrade as upgrade_command
from app.migrator.cli.main import examine_config, main
from app.migrator.drift.report import read_drift
from app.migrator.execution.data_loss import DataLossRefusedError
from app.migrator.execution.planned_steps import PlanChangedError
from app.migrator.lint.linter import lint
from app.migrator.phase import Phase
from app.migrator.squash.deletion import delete_replaced
from app.migrator.squash.scratch import SquashRefusedError
from app.migrator.squash.squash import squash
from app.postgres.url.database_url import normalize_database_url
from tests.support.database import applied, query
from tests.support.plain_project import PlainProject
from tests.support.processes import environment, run
from tests.support.squash import add_tables, baselines
from tests.support.waiting import PATIENCE

Dump = Callable[[str], str]
HISTORY = "SELECT revision, direction FROM schema_history WHERE outcome = 'done' ORDER BY id"
MODELS = "".join(f'sa.Table("t{n}", metadata, sa.Column("id", sa.Integer))\n' for n in range(4))
BACKFILL = """\
from app.migrator import Backfill

backfill = Backfill(table="t1", after="r1", update="UPDATE t1 SET id = id + 1 WHERE {batch}")
"""
# A new database has run one, and says that it has the others.
BY_BASELINE = [("r2", "upgrade"), ("r0", "stamp"), ("r1", "stamp"), ("r2", "stamp")]


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    """Baselines of the same revisions, which need not be written again for each test."""
    return {}


@pytest.fixture
def project(project: PlainProject, written: dict[str, str]) -> PlainProject:
    """Four revisions, of which the first three are squashed."""
    project.define(MODELS)
    add_tables(project)
    if not written:
        path = squash(project.config, "r2").path
        written[path.name] = path.read_text()
    for name, text in written.items():
        path = project.root / "migrations" / "baselines" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return project


def tables(url: str) -> list[str]:
    return [str(name) for (name,) in query(url, "SELECT relname FROM pg_class WHERE relname ~ '^t[0-9]$' ORDER BY 1")]


def empty(url: str) -> None:
    query(url, f"DROP TABLE alembic_version, schema_history, {', '.join(tables(url))}")


@pytest.mark.parametrize(
    ("start", "done"),
    [
        ([], [*BY_BASELINE, ("r3", "upgrade")]),
        (["r0"], [("r0", "upgrade"), ("r1", "upgrade"), ("r2", "upgrade"), ("r3", "upgrade")]),
        (["r0", "r2"], [("r0", "upgrade"), ("r1", "upgrade"), ("r2", "upgrade"), ("r3", "upgrade")]),
        (["r0", "r3"], [("r0", "upgrade"), ("r1", "upgrade"), ("r2", "upgrade"), ("r3", "upgrade")]),
        (["r2"], [*BY_BASELINE, ("r3", "upgrade")]),
        (["r3"], [*BY_BASELINE, ("r3", "upgrade")]),
    ],
)
def test_new_database_takes_the_baseline_and_every_other_goes_on_by_the_revisions(
    project: PlainProject, empty_database_url: str, dump_schema: Dump, start: list[str], done: list[tuple[str, str]]
) -> None:
    for revision in start:
        upgrade(project.config, revision)
        assert applied(empty_database_url) == [revision]
    upgrade(project.config)
    assert query(empty_database_url, HISTORY) == done
    assert (applied(empty_database_url), tables(empty_database_url)) == (["r3"], ["t0", "t1", "t2", "t3"])
    upgrade(project.config)
    assert query(empty_database_url, HISTORY) == done
    assert read_status(project.config).verdict == "up to date"
    by = {
        row.revision: (row.state, (row.by or "").endswith("(stamped)")) for row in read_status(project.config).revisions
    }
    is_stamped = done[0] == ("r2", "upgrade")
    assert by == {f"r{n}": ("applied", is_stamped and n < 3) for n in range(4)}


def test_both_ways_lead_to_one_schema_and_back_along_the_revisions(
    project: PlainProject, empty_database_url: str, dump_schema: Dump
) -> None:
    upgrade(project.config, "r2")
    by_baseline = dump_schema(empty_database_url)
    for revision in ("r1", "r0", "base"):
        downgrade(project.config, revision, accept_data_loss=True)
        assert len(tables(empty_database_url)) == (int(revision[1:]) + 1 if revision != "base" else 0)
    upgrade(project.config, "r0")
    upgrade(project.config, "r2")
    assert dump_schema(empty_database_url) == by_baseline
    downgrade(project.config, "base", accept_data_loss=True)
    upgrade(project.config, "r2")
    assert dump_schema(empty_database_url) == by_baseline
    assert query(empty_database_url, HISTORY)[-4:] == BY_BASELINE


def test_destination_before_the_baselines_is_reached_by_the_revisions(
    project: PlainProject, empty_database_url: str
) -> None:
    upgrade(project.config, "+2")
    assert query(empty_database_url, HISTORY) == [("r0", "upgrade"), ("r1", "upgrade")]


def test_plan_names_what_an_upgrade_would_run(project: PlainProject) -> None:
    assert [script.revision for script in plan(project.config).revisions] == ["r2", "r3"]
    assert [script.revision for script in plan(project.config, "r1").revisions] == ["r0", "r1"]
    upgrade(project.config, "r0")
    assert [script.revision for script in plan(project.config).revisions] == ["r1", "r2", "r3"]


def test_who_agreed_to_the_baseline_agreed_to_what_it_replaces(
    project: PlainProject, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another release begins while the question waits for its answer."""
    monkeypatch.setattr(upgrade_command, "require_terminal", lambda option: None)
    monkeypatch.setattr(upgrade_command, "_confirm_upgrade", lambda plan: upgrade(project.config, "r0"))
    result = CliRunner().invoke(main, ["-c", str(project.ini), "upgrade"])
    assert result.exit_code == 0, result.output
    assert query(empty_database_url, HISTORY) == [(f"r{n}", "upgrade") for n in range(4)]


def test_who_agreed_to_nothing_did_not_agree_to_the_baseline(project: PlainProject, empty_database_url: str) -> None:
    with pytest.raises(PlanChangedError, match="r2 would be applied"):
        upgrade(project.config, "r2", agreed=[])
    assert query(empty_database_url, "SELECT to_regclass('alembic_version')") == [(None,)]


def test_alembics_commands_see_the_revisions_and_upgrade_by_the_baseline(
    project: PlainProject, empty_database_url: str
) -> None:
    env = environment(DATABASE_URL=empty_database_url)

    def alembic(*arguments: str) -> str:
        result = run("alembic", *arguments, env=env, cwd=project.root)
        assert result.returncode == 0, result.stderr
        return result.stdout

    assert alembic("heads").split() == ["r3", "(head)"]
    assert alembic("history").count("->") == 4
    alembic("upgrade", "head")
    assert query(empty_database_url, HISTORY) == [*BY_BASELINE, ("r3", "upgrade")]
    assert alembic("current").split() == ["r3", "(head)"]
    alembic("stamp", "r1")
    assert query(empty_database_url, HISTORY)[-2:] == [("r2", "unstamp"), ("r3", "unstamp")]


def test_printed_script_from_base_is_the_baseline(
    project: PlainProject, empty_database_url: str, postgres_bin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upgrade(project.config, sql=True)
    script = capsys.readouterr().out
    command: list[str | Path] = [
        postgres_bin / "psql",
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        normalize_database_url(empty_database_url).libpq,
    ]
    subprocess.run(command, input=script, text=True, check=True, capture_output=True, timeout=PATIENCE)
    assert query(empty_database_url, HISTORY) == [*BY_BASELINE, ("r3", "upgrade")]
    checksums = "SELECT count(DISTINCT checksum) FROM schema_history WHERE revision = 'r2'"
    assert query(empty_database_url, checksums) == [(2,)]
    assert read_status(project.config).verdict == "up to date"
    upgrade(project.config, "r1:r2", sql=True)
    assert "t1" not in capsys.readouterr().out.partition("CREATE TABLE")[2]


def test_baseline_of_contract_revisions_is_for_an_expand_too(project: PlainProject, empty_database_url: str) -> None:
    """No release works in an empty database: there is nothing to stop before."""
    project.add("r4", "pass", extra='phase = "contract"')
    squash(project.config, "r4")
    project.add("r5", "pass", extra='phase = "contract"')
    assert [script.revision for script in plan(project.config, phase=Phase.EXPAND).revisions] == ["r4"]
    upgrade(project.config, phase=Phase.EXPAND)
    assert applied(empty_database_url) == ["r4"]
    phases = "SELECT revision FROM schema_history WHERE phase = 'contract' AND direction = 'stamp'"
    assert query(empty_database_url, phases) == [("r4",)]


def test_newest_baseline_that_leads_no_further_is_taken(project: PlainProject, empty_database_url: str) -> None:
    squash(project.config, "r3")
    upgrade(project.config, "r2")
    assert query(empty_database_url, HISTORY) == BY_BASELINE
    empty(empty_database_url)
    upgrade(project.config)
    assert query(empty_database_url, HISTORY)[0] == ("r3", "upgrade")
    assert len(query(empty_database_url, HISTORY)) == 5


def test_baseline_of_revisions_that_have_changed_is_left_out_and_found(
    project: PlainProject, empty_database_url: str
) -> None:
    file = sorted(project.versions.glob("*.py"))[1]
    file.write_text(file.read_text() + "# changed\n")
    upgrade(project.config)
    assert [direction for _, direction in query(empty_database_url, HISTORY)] == ["upgrade"] * 4
    (finding,) = [each for each in lint(project.config, every=True).findings if each.rule == "outdated-baseline"]
    assert (finding.revision, finding.file, "since: r1" in finding.message) == ("r2", str(baselines(project)[0]), True)
    (warning,) = [each for each in examine_config(project.config) if "is left out: r1 has changed" in each.seen]
    assert warning.severity == "warning"


def test_baseline_that_was_edited_after_it_was_applied_is_found(project: PlainProject) -> None:
    (file,) = baselines(project)
    for edited in (False, True):
        upgrade(project.config)
        found = [one.file for one in lint(project.config).findings if one.rule == "edited-after-applied"]
        seen = [one for one in examine_config(project.config) if "was changed after it was applied" in one.seen]
        assert (found, len(seen)) == ([str(file)] * edited, edited)
        file.write_text(file.read_text() + "# changed\n")


def test_baseline_that_cannot_be_read_is_named(project: PlainProject) -> None:
    (file,) = baselines(project)
    file.write_text(file.read_text().replace("replaces = {", "replaces = {}\nothers = {"))
    for command in (upgrade, plan, read_status, lambda config: lint(config, every=True)):
        with pytest.raises(MigrationFailedError, match=rf"^{file} is no baseline"):
            command(project.config)
    (found,) = [one for one in examine_config(project.config) if f"{file} is no baseline" in one.seen]
    assert found.severity == "problem"
    file.write_text("revision = 'r2'\nraise SystemExit\n")
    with pytest.raises(MigrationFailedError, match=rf"^{file} cannot be used: SystemExit"):
        upgrade(project.config)


def test_failed_baseline_leaves_nothing_and_is_tried_again(project: PlainProject, empty_database_url: str) -> None:
    (file,) = baselines(project)
    whole = file.read_text()
    file.write_text(whole.replace("\n\ndef downgrade", '    op.execute("SELECT 1 / 0")\n\ndef downgrade'))
    with pytest.raises(MigrationFailedError, match=r"Revision r2 \(.*r2_baseline\.py\) could not be applied"):
        upgrade(project.config)
    assert tables(empty_database_url) == []
    file.write_text(whole)
    upgrade(project.config)
    assert query(empty_database_url, HISTORY) == [*BY_BASELINE, ("r3", "upgrade")]


def test_branches_and_dependencies_lead_to_the_same_version_rows(
    project: PlainProject, empty_database_url: str, dump_schema: Dump
) -> None:
    """A branch begins before the baseline's revision and goes on beside it; another base is depended on."""
    project.head = None
    project.add("other", 'op.create_table("t4", sa.Column("id", sa.Integer))')
    project.head = "r1"
    project.add("side", 'op.create_table("t5", sa.Column("id", sa.Integer))')
    project.head = "r3"
    project.add("deep", 'op.create_table("t6", sa.Column("id", sa.Integer))', extra='depends_on = "other"')
    project.add("joined", "pass", extra='down_revision = ("deep", "side")')
    project.head = "side"
    project.add("beside", 'op.create_table("t7", sa.Column("id", sa.Integer))')
    for last in ("deep", "joined"):
        squash(project.config, last)
    upgrade(project.config, "heads")
    by_baseline = (sorted(applied(empty_database_url)), dump_schema(empty_database_url))
    assert query(empty_database_url, HISTORY)[0] == ("joined", "upgrade")
    assert by_baseline[0] == ["beside", "joined"]
    empty(empty_database_url)
    for revision in ("r0", "other", "heads"):
        upgrade(project.config, revision)
    assert (sorted(applied(empty_database_url)), dump_schema(empty_database_url)) == by_baseline
    empty(empty_database_url)
    upgrade(project.config, "deep")
    assert applied(empty_database_url) == ["deep"]


class TestDeleted:
    """The replaced files are deleted, and the baseline is a revision like any other."""

    def test_new_database_and_one_beyond_go_on(self, project: PlainProject, empty_database_url: str) -> None:
        upgrade(project.config, "r0")
        upgrade(project.config, "r2")
        deleted = delete_replaced(project.config, "r2")
        assert deleted.path == project.versions / "r2_baseline.py"
        assert (len(deleted.files), baselines(project)) == (3, [])
        assert [row.revision for row in read_status(project.config).revisions] == ["r2", "r3"]
        assert read_status(project.config).verdict == "pending"
        upgrade(project.config)
        assert read_status(project.config).verdict == "up to date"
        empty(empty_database_url)
        upgrade(project.config)
        assert query(empty_database_url, HISTORY) == [("r2", "upgrade"), ("r3", "upgrade")]
        assert read_status(project.config).verdict == "up to date"
        assert [one.rule for one in lint(project.config, every=True).findings if one.revision == "r2"] == []

    def test_what_the_baseline_makes_is_not_new_beside_a_drop(self, project: PlainProject) -> None:
        project.remove_last()
        delete_replaced(project.config, "r2")
        project.add("dropping", 'op.drop_table("t0")', extra='phase = "contract"')
        assert "rename-loses-data" not in {one.rule for one in lint(project.config, ["dropping"]).findings}

    def test_database_of_the_baseline_goes_on(self, project: PlainProject, empty_database_url: str) -> None:
        upgrade(project.config, "r2")
        delete_replaced(project.config, "r2")
        upgrade(project.config)
        assert read_status(project.config).verdict == "up to date"

    def test_downgrade_forgets_what_the_deleted_revisions_have_left(
        self, project: PlainProject, empty_database_url: str
    ) -> None:
        """Backfills after one of them are to be run again."""
        for revision in ("r0", "r2"):
            upgrade(project.config, revision)
        folder = project.root / "migrations" / "backfills"
        folder.mkdir()
        (folder / "fill.py").write_text(BACKFILL)
        query(empty_database_url, "ALTER TABLE t1 ADD PRIMARY KEY (id)")
        query(empty_database_url, "INSERT INTO t1 VALUES (1)")
        run_backfills(project.config, None, Throttle(rate=0), lambda progress: None)
        delete_replaced(project.config, "r2")
        assert [found.state for found in read_backfills(project.config)] == ["done"]
        downgrade(project.config, "base", accept_data_loss=True)
        assert query(empty_database_url, "SELECT FROM schema_backfills") == []
        upgrade(project.config)
        query(empty_database_url, "INSERT INTO t1 VALUES (1)")
        assert [found.state for found in read_backfills(project.config)] == ["pending"]

    def test_script_of_a_downgrade_forgets_it_too(self, project: PlainProject) -> None:
        delete_replaced(project.config, "r2")
        printed = CliRunner().invoke(main, ["-c", str(project.ini), "downgrade", "r2:base", "--sql"])
        assert "after_revision IN ('r0', 'r1', 'r2')" in printed.stdout

    def test_database_in_the_middle_is_told_by_which_release_to_go(
        self, project: PlainProject, empty_database_url: str
    ) -> None:
        upgrade(project.config, "r1")
        (file,) = baselines(project)
        file.write_text(file.read_text().replace('release = ""', 'release = "7.1"'))
        delete_replaced(project.config, "r2")
        message = (
            r"is at revision r1, whose file .* First upgrade the database with a release that has them, such as 7\.1,"
        )
        for command in (upgrade, plan, read_status, read_backfills, lambda config: downgrade(config, "base")):
            with pytest.raises(MigrationFailedError, match=message):
                command(project.config)
        (found,) = [finding for finding in examine_config(project.config) if re.search(message, finding.seen)]
        assert found.severity == "problem"
        assert re.search(message, lint(project.config).note or "")
        assert (applied(empty_database_url), tables(empty_database_url)) == (["r1"], ["t0", "t1"])

    def test_restored_backup_of_a_deleted_revision_is_told_the_same(
        self, project: PlainProject, tmp_path: Path
    ) -> None:
        upgrade(project.config, "r1")
        taken = backup(project.config, tmp_path).path
        delete_replaced(project.config, "r2")
        command = ["-c", str(project.ini), "restore", "--replace", "--no-prompt", str(taken)]
        restored = CliRunner().invoke(main, command)
        assert restored.exit_code == 0, restored.output
        assert "WARNING: The database is at revision r1, whose file this release has no more" in restored.stderr

    def test_downgrade_to_base_is_one_step_that_counts_what_is_lost(
        self, project: PlainProject, empty_database_url: str
    ) -> None:
        delete_replaced(project.config, "r2")
        upgrade(project.config)
        with pytest.raises(DataLossRefusedError, match=r"(?s)table t0: 0 rows \(revision r2\).*table t2"):
            downgrade(project.config, "base")
        downgrade(project.config, "base", accept_data_loss=True)
        assert tables(empty_database_url) == []
        upgrade(project.config)
        assert tables(empty_database_url) == ["t0", "t1", "t2", "t3"]

    def test_files_deleted_by_hand_are_told_and_the_command_goes_on(self, project: PlainProject) -> None:
        for file in sorted(project.versions.glob("*.py"))[:3]:
            file.unlink()
        with pytest.raises(
            MigrationFailedError, match=r"there is no revision 'r2'.* squash r2 --delete-replaced` does both"
        ):
            upgrade(project.config)
        done = CliRunner().invoke(main, ["-c", str(project.ini), "squash", "r2", "--delete-replaced"])
        assert (done.exit_code, done.stdout) == (0, f"{project.versions / 'r2_baseline.py'}\n"), done.output
        upgrade(project.config)

    def test_changed_file_is_not_deleted(self, project: PlainProject) -> None:
        first = min(project.versions.glob("*.py"))
        first.write_text(first.read_text() + "# changed\n")
        with pytest.raises(SquashRefusedError, match=r"0000\.py has changed since .* Nothing was deleted"):
            delete_replaced(project.config, "r2")
        assert len([*project.versions.glob("*.py")]) == 4
        with pytest.raises(SquashRefusedError, match="has no baseline of revision 'r3'"):
            delete_replaced(project.config, "r3")

    def test_backfill_after_a_deleted_revision_runs_after_the_baseline(
        self, project: PlainProject, empty_database_url: str
    ) -> None:
        (project.root / "migrations" / "backfills").mkdir()
        (project.root / "migrations" / "backfills" / "fill.py").write_text(
            "from app.migrator import Backfill\n"
            'backfill = Backfill(table="t1", after="r1", where="id < 0", update="UPDATE t1 SET id = 1 WHERE {batch}")\n'
        )
        project.add("r4", "pass", extra='requires_backfill = "fill"')
        delete_replaced(project.config, "r2")
        upgrade(project.config)
        assert applied(empty_database_url) == ["r4"]
        assert [(one.after, one.state) for one in read_backfills(project.config)] == [("r2", "not needed")]

    def test_second_baseline_takes_the_first_ones_place(self, project: PlainProject, empty_database_url: str) -> None:
        delete_replaced(project.config, "r2")
        squash(project.config, "r3")
        upgrade(project.config)
        assert query(empty_database_url, HISTORY) == [("r3", "upgrade"), ("r2", "stamp"), ("r3", "stamp")]
        delete_replaced(project.config, "r3")
        assert read_status(project.config).verdict == "up to date"
        query(empty_database_url, "UPDATE alembic_version SET version_num = 'r1'")
        with pytest.raises(MigrationFailedError, match="is at revision r1, whose file"):
            upgrade(project.config)


def test_what_no_model_knows_is_the_revisions_own_by_both_ways(project: PlainProject, empty_database_url: str) -> None:
    """A model that is taken away leaves its table as drift; what SQL has made is left alone."""
    project.add("r4", 'op.execute("CREATE VIEW v AS SELECT 1")\nop.execute("CREATE INDEX own ON t0 (id)")')
    squash(project.config, "r4")
    upgrade(project.config)
    assert read_drift(project.config).differences == ()
    delete_replaced(project.config, "r4")
    assert read_drift(project.config).differences == ()
    project.define(MODELS.replace('"t1", metadata', '"t1", sa.MetaData()'))
    assert [found.name for found in read_drift(project.config).differences] == ["t1"]
