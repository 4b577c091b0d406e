"""`diff BASE` and `lint --base BASE`: what the revisions of a branch change, known from git alone."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.migrator.autogenerate.mirrored_column import MirroredColumn
from app.migrator.branch.changes import read_changes
from app.migrator.branch.git import GitError, Repository
from app.migrator.branch.markdown import MARKER, as_markdown
from app.migrator.branch.summary import BranchSummary, RevisionSummary, read_summary
from app.migrator.cli.main import main
from app.migrator.lint.finding import Finding
from app.migrator.lint.linter import lint
from app.migrator.revisions.loading import load_revisions
from app.migrator.sql.lock_modes import Lock, LockMode
from tests.migrations.conftest import autocommit, sql
from tests.support.git import commit_all, git
from tests.support.json_schemas import validate
from tests.support.plain_project import PlainProject

TABLES = sql("CREATE TABLE users (id bigint PRIMARY KEY, name text)", "CREATE TABLE orders (id bigint, note text)")


@pytest.fixture
def branch(offline_project: PlainProject) -> PlainProject:
    """A project on the branch `work`, which has left `main` after one revision."""
    offline_project.add("first", TABLES)
    commit_all(offline_project.root)
    git(offline_project.root, "switch", "-q", "-c", "work")
    return offline_project


def call(project: PlainProject, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(project.ini), *arguments])


def test_diff_tells_what_the_new_revisions_change(branch: PlainProject) -> None:
    branch.add("second", sql("ALTER TABLE users ADD email text", "ALTER TABLE users ADD age bigint DEFAULT 0"))
    commit_all(branch.root)
    branch.add("third", sql("ALTER TABLE orders DROP note"), extra='phase = "contract"')
    shown = call(branch, "diff", "main")
    assert shown.exit_code == 0, shown.output
    assert shown.output == (
        f"{MARKER}\n"
        "### Schema changes against `main`\n\n"
        "2 new revisions, 1 contract, 1 may lose data, no findings.\n\n"
        "| revision | phase | what it does | what waits meanwhile | work on rows |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| `second` | expand | `add column users.email`<br>`add column users.age` | reads and writes of `users` |  |\n"
        "| `third` | contract | `drop column orders.note` | reads and writes of `orders` |  |\n\n"
        "**Loses data**:\n\n"
        "- `drop column orders.note` (`third`)\n"
    )
    assert call(branch, "diff", "main").output == shown.output


def test_diff_as_json_has_what_a_program_needs(branch: PlainProject) -> None:
    branch.add("second", 'print("Said by a revision.")\n' + sql("CREATE INDEX i ON users (name)"))
    shown = call(branch, "diff", "main", "--json")
    assert "Said by a revision." in shown.stderr
    found = json.loads(shown.stdout)
    validate("diff", found)
    assert found["merge_base"] == git(branch.root, "rev-parse", "main")
    (revision,) = found["revisions"]
    assert revision == {
        "revision": "second",
        "file": "migrations/versions/0001.py",
        "message": "",
        "phase": "expand",
        "requires_backfills": [],
        "is_readable": True,
        "changes": ["create index i on users"],
        "locks": [{"table": "users", "mode": "SHARE"}],
        "row_work": ["every row of users is read"],
        "losses": [],
    }
    assert [finding["rule"] for finding in found["findings"]] == ["require-concurrent-index-creation"]
    assert (found["edited"], found["removed"], found["missing"], found["note"]) == ([], [], [], None)


def test_diff_names_findings_and_the_backfills_that_come_before(branch: PlainProject) -> None:
    backfills = branch.root / "migrations" / "backfills"
    backfills.mkdir()
    (backfills / "names.py").write_text(
        "from app.migrator import Backfill\n"
        "backfill = Backfill(table='users', after='first', where='name IS NULL',"
        " update=\"UPDATE users SET name = '' WHERE name IS NULL AND {batch}\")\n"
    )
    branch.add("second", sql("ALTER TABLE users ALTER name SET NOT NULL"), extra='requires_backfill = "names"')
    shown = call(branch, "diff", "main").output
    assert "| expand<br>after the backfill `names` |" in shown
    assert "- `not-null-without-check` in `second`, line 9: `ALTER TABLE users ALTER name SET NOT NULL`<br>" in shown


def test_diff_without_a_new_revision_says_so(branch: PlainProject) -> None:
    (branch.root / "readme").write_text("Nothing about the schema.")
    commit_all(branch.root)
    shown = call(branch, "diff", "main")
    assert (shown.exit_code, "No revision is new since `" in shown.output) == (0, True)
    linted = call(branch, "lint", "--base", "main")
    assert (linted.exit_code, linted.output) == (0, "0 revision(s) linted: no finding(s)\n")


def test_revisions_of_the_base_that_are_edited_removed_or_missing_are_told(branch: PlainProject) -> None:
    git(branch.root, "switch", "-q", "main")
    branch.add("gone", "pass")
    commit_all(branch.root)
    git(branch.root, "branch", "-q", "-D", "work")
    git(branch.root, "switch", "-q", "-c", "work")
    (branch.versions / "0001.py").unlink()
    first = branch.versions / "0000.py"
    first.write_text(first.read_text().replace("note text", "note varchar"))
    commit_all(branch.root)
    git(branch.root, "switch", "-q", "main")
    branch.head = "gone"
    branch.add("since", "pass")
    commit_all(branch.root)
    git(branch.root, "switch", "-q", "work")
    found = read_summary(branch.config, "main")
    assert (found.edited, found.removed, found.missing) == (("migrations/versions/0000.py",), ("gone",), ("since",))
    shown = as_markdown(found)
    for title, name in (("Edited", "migrations/versions/0000.py"), ("Gone", "gone"), ("Come to the base", "since")):
        listed = shown.partition(f"**{title}")[2].partition("**:\n\n")[2]
        assert listed.startswith(f"- `{name}`\n"), shown
    report = lint(branch.config, base="main")
    assert [(finding.rule, finding.revision) for finding in report.findings] == [("edited-after-applied", "first")]
    assert "main has another file" in report.findings[0].message


def test_file_that_was_moved_or_ends_its_lines_otherwise_is_neither_new_nor_edited(branch: PlainProject) -> None:
    first = branch.versions / "0000.py"
    first.write_bytes(first.read_bytes().replace(b"\n", b"\r\n"))
    moved = branch.root / "db"
    (branch.root / "migrations").rename(moved)
    branch.ini.write_text(branch.ini.read_text().replace("/migrations", "/db"))
    changes = read_changes(load_revisions(branch.config), "main")
    assert (changes.new, changes.edited, changes.removed, changes.missing) == ((), (), (), ())


def test_lint_with_a_base_reads_the_new_revisions_alone(branch: PlainProject, monkeypatch: pytest.MonkeyPatch) -> None:
    # It is not asked: nobody listens there.
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none")
    branch.add("second", sql("ALTER TABLE users DROP name"))
    linted = call(branch, "lint", "--base", "main", "--json")
    assert (linted.exit_code, linted.stderr) == (1, "")
    assert {finding["revision"] for finding in json.loads(linted.stdout)} == {"second"}
    for others in (["--all"], ["second"]):
        refused = call(branch, "lint", "--base", "main", *others)
        assert (refused.exit_code, "--base BRANCH" in refused.output) == (2, True)


def test_name_of_a_branch_that_only_origin_has_is_understood(branch: PlainProject, tmp_path: Path) -> None:
    branch.add("second", "pass")
    commit_all(branch.root)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--branch", "work", str(branch.root), str(clone))
    assert git(clone, "branch", "--list", "main") == ""
    shown = CliRunner().invoke(main, ["-c", str(clone / "alembic.ini"), "diff", "main"])
    assert (shown.exit_code, "| `second` |" in shown.output) == (0, True)


def test_shallow_clone_is_told_to_fetch_the_history(branch: PlainProject, tmp_path: Path) -> None:
    branch.add("second", "pass")
    commit_all(branch.root)
    clone = tmp_path / "clone"
    address = branch.root.as_uri()
    git(tmp_path, "clone", "-q", "--depth", "1", "--branch", "work", address, str(clone))
    ini = str(clone / "alembic.ini")
    unknown = CliRunner().invoke(main, ["-c", ini, "diff", "main"])
    assert (unknown.exit_code, "fetch-depth: 0" in unknown.output) == (2, True)
    git(branch.root, "switch", "-q", "main")
    commit_all(branch.root, "main goes on")
    git(clone, "fetch", "-q", "--depth", "1", "origin", "main:main")
    parted = CliRunner().invoke(main, ["-c", ini, "diff", "main"])
    assert (parted.exit_code, "git fetch --unshallow" in parted.output) == (2, True)
    git(clone, "fetch", "-q", "--unshallow", "origin")
    assert CliRunner().invoke(main, ["-c", ini, "diff", "main"]).exit_code == 0


@pytest.mark.parametrize("base", ["nonsense", "--upload-pack=x", "main..work", ""])
def test_unknown_base_is_a_message_and_exit_code_2(branch: PlainProject, base: str) -> None:
    for command in (["diff", "--", base], ["lint", f"--base={base}"]):
        refused = call(branch, *command)
        assert (refused.exit_code, f"git knows no commit {base!r}" in refused.output) == (2, True), refused.output


def test_branches_without_a_common_commit_are_a_message_and_exit_code_2(branch: PlainProject) -> None:
    git(branch.root, "switch", "-q", "--orphan", "other")
    git(branch.root, "commit", "-q", "--allow-empty", "-m", "Another beginning")
    git(branch.root, "switch", "-q", "work")
    refused = call(branch, "diff", "other")
    assert (refused.exit_code, "no commit in common" in refused.output) == (2, True)


def test_folder_outside_of_git_is_a_message_and_exit_code_2(offline_project: PlainProject) -> None:
    offline_project.add("first", "pass")
    refused = call(offline_project, "diff", "main")
    assert (refused.exit_code, "is in no git repository" in refused.output) == (2, True), refused.output


def test_missing_git_is_a_message(branch: PlainProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="git cannot be started"):
        Repository.around(branch.root)


def test_variables_of_a_hook_lead_to_no_other_repository(
    branch: PlainProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    commit_all(other)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert Repository.around(branch.root).root == branch.root.resolve()


def test_revision_that_looks_at_the_database_is_told_as_unknown(branch: PlainProject) -> None:
    branch.add("second", 'op.get_bind().execute(sa.text("SELECT 1")).scalar_one()')
    (found,) = read_summary(branch.config, "main").revisions
    assert (found.is_readable, found.losses) == (False, ("what cannot be known from its SQL",))
    assert "its SQL is not known without a database" in call(branch, "diff", "main").output


# What a revision runs, its work on rows, whose traffic waits, and what it may lose.
OUTSIDE = "outside: "
MAYBE = "users may be written anew"
READ, BESIDE = "every row of users is read", "every row of users is read, beside its traffic"
ROW_WORK = [
    ("CREATE INDEX i1 ON users (name)", (READ,), ("users",), ()),
    (f"{OUTSIDE}CREATE INDEX CONCURRENTLY i2 ON users (name)", (BESIDE,), (), ()),
    ("ALTER TABLE users ALTER name TYPE text", (MAYBE,), ("users",), ("perhaps: change type users.name",)),
    ("ALTER TABLE users ALTER name SET NOT NULL", (READ,), ("users",), ()),
    ("ALTER TABLE users ADD CONSTRAINT c CHECK (id > 0) NOT VALID", (), ("users",), ()),
    ("ALTER TABLE users VALIDATE CONSTRAINT c", (BESIDE,), (), ()),
    ("ALTER TABLE users ADD s bigserial", ("users is written anew",), ("users",), ()),
    ("ALTER TABLE users ADD t text DEFAULT '' NOT NULL", (), ("users",), ()),
    ("UPDATE orders SET note = ''", ("rows of orders are written in one transaction",), (), ()),
    ("DELETE FROM orders", ("rows of orders are deleted in one transaction",), (), ("delete rows orders",)),
    ("CREATE TABLE fresh (id bigint, a text); CREATE INDEX i3 ON fresh (a); DROP TABLE fresh", (), (), ()),
    ("ALTER TABLE users ADD gone text; ALTER TABLE users DROP gone", (), ("users",), ()),
    ("TRUNCATE orders", (), ("orders",), ("truncate orders",)),
    ("SELECT tidy()", (), (), ("perhaps: a block of code tidy",)),
    ("DROP FUNCTION tidy()", (), (), ()),
    ("DROP SCHEMA attic", (), (), ("perhaps: drop attic",)),
]


def test_work_on_rows_locks_and_losses_are_told_of_each_revision(branch: PlainProject) -> None:
    for number, (text, *_) in enumerate(ROW_WORK):
        outside = text.startswith(OUTSIDE)
        statements = text.removeprefix(OUTSIDE).split("; ")
        branch.add(f"r{number}", autocommit(*statements) if outside else sql(*statements))
    found = read_summary(branch.config, "main").revisions
    for (text, *expected), each in zip(ROW_WORK, found, strict=True):
        assert [each.row_work, tuple(lock.table for lock in each.locks), each.losses] == expected, text


def test_column_that_another_one_mirrors_is_no_loss_but_for_what_that_cannot_hold(branch: PlainProject) -> None:
    columns = [MirroredColumn("users", "name", "title"), MirroredColumn("orders", "note", "n", "{value}::bigint")]
    add = [f"ALTER TABLE {each.table} ADD {each.new} text" for each in columns]
    branch.add("add", sql(*add, *(statement for each in columns for statement in each.create())))
    folder = branch.root / "migrations" / "backfills"
    folder.mkdir()
    fields = 'table="users", after="add", update="UPDATE users SET name = name WHERE {batch}"'
    (folder / "fill.py").write_text(f"from app.migrator.backfill import Backfill\n\nbackfill = Backfill({fields})\n")
    drop = [statement for each in columns for statement in each.drop()]
    dropped = [f"ALTER TABLE {each.table} DROP {each.old}" for each in columns]
    branch.add("drop", sql(*drop, *dropped), extra='phase = "contract"\nrequires_backfill = "fill"')
    _, contract = read_summary(branch.config, "main").revisions
    assert contract.losses == ("perhaps: what n cannot hold of note, which it mirrors",)
    assert {"drop column users.name, which title mirrors", "drop column orders.note, which n mirrors"} <= {
        *contract.changes
    }


def test_markdown_means_what_it_says_whatever_names_there_are() -> None:
    evil = "a|b`c\n<img src=x> @team [x](y) *s*"
    lock = Lock(evil, LockMode.SHARE)
    revision = RevisionSummary(evil, evil, evil, "expand", (evil,), True, (evil,), (lock,), (evil,), (evil,))
    finding = Finding(evil, evil, evil, 1, evil, evil, evil, 1)
    shown = as_markdown(BranchSummary(evil, evil, (revision,), (finding,), (evil,), (evil,), (evil,), evil))
    row = next(line for line in shown.splitlines() if line.startswith("| ``a"))
    assert len([place for place in range(1, len(row)) if row[place] == "|" and row[place - 1] != "\\"]) == 5
    plain = shown
    while "``" in plain:
        before, _, rest = plain.partition("``")
        plain = before + rest.partition("``")[2]
    for sign in ("@team", "<img", "[x]", "*s*"):
        assert sign not in plain


def test_comment_stays_within_what_github_takes() -> None:
    many = tuple(f"create index {'i' * 500}{number}" for number in range(500))
    revisions = tuple(
        RevisionSummary(f"r{number}", "f", "m" * 500, "expand", (), True, many, (), (), ()) for number in range(500)
    )
    findings = tuple(Finding("r", "f", "rule", 1, "s" * 100, "m" * 300, "r" * 300, 1) for _ in range(500))
    shown = as_markdown(BranchSummary("main", "m", revisions, findings, many, many, many, None))
    assert len(shown) < 65_536
    assert shown.endswith("\n\nThe rest is left out: `diff --json` has it.\n")
