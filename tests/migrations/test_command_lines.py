"""`alembic` and `litestar database`, side by side on one database, as a person types them."""

import logging
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from app.cli.plugin import command_group
from app.migrator.backup.archive import open_archive
from tests.conftest import settings_for
from tests.support.database import applied, query, tables
from tests.support.migrator import load_revisions, upgrade
from tests.support.processes import BIN, ROOT, copied_checkout, environment, in_checkout, run
from tests.support.waiting import PATIENCE

UPGRADES = [
    ("alembic", "upgrade", "head"),
    ("litestar", "database", "upgrade", "--no-prompt"),
    ("litestar", "run", "--port", "1"),
]

FIRST = "1d9c6f0b7a31"


def revisions(url: str) -> list[str]:
    """Oldest first."""
    return list(phases(url))


def phases(url: str) -> dict[str, str]:
    """The phase of each revision, oldest first."""
    scripts = [*load_revisions(settings_for(url)).walk_revisions()][::-1]
    return {script.revision: script.module.phase for script in scripts}


def test_the_two_take_turns_on_one_database(empty_database_url: str) -> None:
    env = environment(DATABASE_URL=empty_database_url, ENVIRONMENT=None, LOCAL_AUTH_TOKEN=None)
    every = revisions(empty_database_url)
    middle = every[-4]
    steps = [
        (("alembic", "upgrade", middle), [middle]),
        (("litestar", "database", "upgrade", "--no-prompt"), [every[-1]]),
        (("alembic", "downgrade", "-1"), [every[-2]]),
        (("litestar", "database", "downgrade", "--no-prompt", middle), [middle]),
        (("litestar", "database", "stamp", "head"), [every[-1]]),
        (("alembic", "stamp", middle), [middle]),
        (("litestar", "db", "upgrade", "--no-prompt", "head"), [every[-1]]),
    ]
    for command, expected in steps:
        result = run(*command, env=env)
        assert result.returncode == 0, f"{command}: {result.stderr}"
        assert applied(empty_database_url) == expected, command


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (("alembic", "current"), "(head)"),
        (("litestar", "database", "show-current-revision"), "(head)"),
        (("alembic", "heads"), "(head)"),
        (("litestar", "database", "heads"), "(head)"),
        (("alembic", "history"), "First tables"),
        (("litestar", "database", "history"), "First tables"),
        (("alembic", "check"), "No new upgrade operations"),
        (("litestar", "database", "check"), "No new upgrade operations"),
    ],
)
def test_both_look_at_the_same_database(database_url: str, command: tuple[str, ...], shown: str) -> None:
    result = run(*command, env=environment(DATABASE_URL=database_url))
    assert result.returncode == 0, result.stderr
    assert shown in result.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("alembic", "revision", "--autogenerate", "-m", "Add the ninth wave"),
        ("litestar", "database", "make-migrations", "--no-prompt", "-m", "Add the ninth wave"),
    ],
)
def test_generated_revision_has_the_change_and_is_named_by_date_and_slug(
    database_url: str, tmp_path: Path, command: tuple[str, ...]
) -> None:
    checkout = copied_checkout(tmp_path / "checkout")
    model = checkout / "app" / "models" / "tags.py"
    model.write_text(model.read_text() + "    ninth_wave: Mapped[str | None]\n")
    env = environment(DATABASE_URL=database_url)
    result = run(*command, env=env, cwd=checkout)
    assert result.returncode == 0, result.stderr
    before = {path.name for path in (ROOT / "migrations" / "versions").glob("*.py")}
    (new,) = [path for path in (checkout / "migrations" / "versions").glob("*.py") if path.name not in before]
    assert new.name.endswith("_add_the_ninth_wave.py")
    assert new.name[:4].isdigit()
    assert 'op.add_column("tags"' in new.read_text()
    assert subprocess.run([BIN / "ruff", "format", "--check", new], check=False, capture_output=True).returncode == 0
    assert run("alembic", "upgrade", "head", env=env, cwd=checkout).returncode == 0
    assert query(database_url, "SELECT ninth_wave FROM tags") == []


@pytest.mark.parametrize("command", [("alembic",), ("litestar", "database")])
def test_password_with_every_awkward_character_goes_through(
    empty_database_url: str, administer: Callable[[str], None], command: tuple[str, ...]
) -> None:
    """The server may trust the connection: then this shows that the text is carried, not that it is checked."""
    url = make_url(empty_database_url).set(password="p%40@:/?#%s%(here)s[]")
    result = run(
        *command,
        "upgrade",
        "head",
        *(["--no-prompt"] if command[0] == "litestar" else []),
        env=environment(DATABASE_URL=url.render_as_string(hide_password=False)),
    )
    assert result.returncode == 0, result.stderr
    assert applied(empty_database_url) == revisions(empty_database_url)[-1:]
    assert "p%40" not in result.stdout + result.stderr


def broken_checkout(target: Path, statement: str) -> Path:
    """A checkout with one more revision, whose upgrade runs `statement` after a table was created."""
    checkout = copied_checkout(target)
    head = revisions("postgresql://unused@localhost/unused")[-1]
    (checkout / "migrations" / "versions" / "2026_12_01_0000_broken.py").write_text(
        f"""from alembic import op
revision = "broken0000ff"
down_revision = {head!r}
phase = "expand"
def upgrade():
    op.execute("CREATE TABLE half_done (id int)")
    {statement}
def downgrade():
    pass
"""
    )
    return checkout


FAILURES = {
    "in the database": ("op.execute(\"ALTER TABLE tasks ADD COLUMN title text DEFAULT 'hunter2'\")", "already exists"),
    "in Python": ("raise ValueError('no such wind')", "no such wind"),
    "at the commit": (
        "op.execute('CREATE TABLE b (id uuid REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED)');"
        " op.execute('INSERT INTO b VALUES (gen_random_uuid())')",
        "violates foreign key constraint",
    ),
}


@pytest.mark.parametrize("cause", list(FAILURES))
@pytest.mark.parametrize("command", UPGRADES)
def test_failed_revision_is_rolled_back_and_named_once_with_exit_code_3(
    database_url: str, tmp_path: Path, command: tuple[str, ...], cause: str
) -> None:
    statement, shown = FAILURES[cause]
    checkout = broken_checkout(tmp_path / "checkout", statement)
    env = environment(DATABASE_URL=database_url, DB_AUTO_MIGRATE="true")
    result = run(*command, env=env, cwd=checkout)
    output = result.stdout + result.stderr
    assert result.returncode == 3, output
    assert "half_done" not in tables(database_url)
    assert output.count("could not be applied") == 1
    assert "broken0000ff" in output
    assert "2026_12_01_0000_broken.py" in output
    assert shown in output
    for kept_out in ("Traceback", "ALTER TABLE", "hunter2"):
        assert kept_out not in output


def test_other_servers_log_the_failure_without_sql(database_url: str, tmp_path: Path) -> None:
    checkout = broken_checkout(tmp_path / "checkout", FAILURES["in the database"][0])
    env = environment(DATABASE_URL=database_url, DB_AUTO_MIGRATE="true")
    result = run("uvicorn", "--factory", "app.asgi:create_app", "--port", "1", env=env, cwd=checkout)
    output = result.stdout + result.stderr
    assert result.returncode == 3
    assert "Revision broken0000ff" in output
    assert "ALTER TABLE" not in output


@pytest.mark.parametrize("text", ["this is not python", "import no_such_module"])
@pytest.mark.parametrize("command", UPGRADES)
def test_revision_that_cannot_be_imported_is_named(
    database_url: str, tmp_path: Path, command: tuple[str, ...], text: str
) -> None:
    checkout = copied_checkout(tmp_path / "checkout")
    (checkout / "migrations" / "versions" / "2026_12_01_0000_unreadable.py").write_text(text)
    result = run(*command, env=environment(DATABASE_URL=database_url), cwd=checkout)
    assert result.returncode == 3, result.stderr
    assert result.stderr.count("2026_12_01_0000_unreadable.py cannot be imported") == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("stamped", ["garbage", "5b2e8a4c9d17"])
def test_version_table_that_nobody_understands_is_exit_code_3(database_url: str, stamped: str) -> None:
    """Alone, or beside the head before which it comes."""
    if stamped == "garbage":
        query(database_url, "DELETE FROM alembic_version")
    query(database_url, "INSERT INTO alembic_version VALUES (:stamped)", stamped=stamped)
    for command in (("alembic", "upgrade", "head"), ("litestar", "database", "upgrade", "--no-prompt")):
        result = run(*command, env=environment(DATABASE_URL=database_url))
        assert result.returncode == 3, result.stderr
        assert stamped in result.stderr
        assert "Traceback" not in result.stderr


def test_alembic_needs_no_code_of_the_checkout_to_be_imported(tmp_path: Path) -> None:
    """An environment serves checkouts of several releases, one of which may lack what another brings."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").touch()
    command = [str(BIN / "python"), "-c", "import alembic, app; print(app.__file__)"]
    env = in_checkout(environment(), tmp_path)
    found = subprocess.check_output(command, env=env, cwd=tmp_path, text=True, timeout=PATIENCE)
    assert found.startswith(str(tmp_path))


@pytest.mark.parametrize(
    "command",
    [("alembic", "upgrade", "head"), ("alembic", "current"), ("litestar", "database", "upgrade", "--no-prompt")],
)
@pytest.mark.parametrize(
    ("row", "held"),
    [
        ("CAST(NULL AS text) AS version_num", "NULL"),
        ("' ' AS version_num", "a blank text"),
        ("'81f6a3c0d2be' AS version", "no column version_num"),
    ],
)
def test_version_that_is_no_revision_is_a_message_and_exit_code_3(
    database_url: str, command: tuple[str, ...], row: str, held: str
) -> None:
    query(database_url, "DROP TABLE alembic_version")
    query(database_url, f"CREATE TABLE alembic_version AS SELECT {row}")
    result = run(*command, env=environment(DATABASE_URL=database_url))
    assert result.returncode == 3, result.stdout + result.stderr
    assert f"alembic_version holds {held}," in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [("alembic", "upgrade"), ("litestar", "database", "upgrade", "--no-prompt")])
def test_empty_name_is_a_message_and_exit_code_3(database_url: str, command: tuple[str, ...]) -> None:
    result = run(*command, "", env=environment(DATABASE_URL=database_url))
    assert result.returncode == 3, result.stdout + result.stderr
    assert "'' names no revision" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", [("make-migrations",), ("merge", "heads")])
def test_missing_message_without_a_terminal_is_asked_for_as_an_option(command: tuple[str, ...]) -> None:
    result = run("litestar", "database", *command, env=environment(DATABASE_URL="postgresql://n@127.0.0.1:1/n"))
    assert result.returncode == 2
    assert "--message" in result.stderr


@pytest.mark.parametrize("name", ["drop-all", "init", "dump-data", "ensure-version", "list-templates"])
def test_commands_that_go_past_the_revisions_are_not_offered(name: str) -> None:
    result = run("litestar", "database", name, env=environment(DATABASE_URL="postgresql://n@127.0.0.1:1/n"))
    assert result.returncode == 2


def test_unknown_revision_in_the_database_is_named(database_url: str) -> None:
    query(database_url, "UPDATE alembic_version SET version_num = 'from_the_future'")
    result = run("litestar", "run", "--port", "1", env=environment(DATABASE_URL=database_url, DB_AUTO_MIGRATE="1"))
    assert result.returncode == 3
    assert "from_the_future" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("show", "abc"),
        ("stamp", "abc"),
        ("upgrade", "--no-prompt", "abc"),
        ("downgrade", "--no-prompt", "abc"),
        ("show-current-revision",),
        ("check",),
    ],
)
def test_unknown_revision_is_exit_code_3_of_every_command(database_url: str, command: tuple[str, ...]) -> None:
    query(database_url, "UPDATE alembic_version SET version_num = 'abc'")
    result = run("litestar", "database", *command, env=environment(DATABASE_URL=database_url, ENVIRONMENT=None))
    assert result.returncode == 3, result.stderr
    assert "abc" in result.stderr
    assert "Traceback" not in result.stderr


def test_check_says_no_with_exit_code_1(database_url: str) -> None:
    query(database_url, "DROP TABLE task_tags")
    result = run("litestar", "database", "check", env=environment(DATABASE_URL=database_url))
    assert result.returncode == 1
    assert "task_tags" in result.stderr


def test_revision_is_generated_from_a_database_at_head_alone(database_url: str) -> None:
    query(database_url, "UPDATE alembic_version SET version_num = '2f7a94d1c05e'")
    result = run("litestar", "database", "make-migrations", "-m", "x", env=environment(DATABASE_URL=database_url))
    assert result.returncode == 1
    assert "not up to date. First: `litestar database upgrade`." in result.stderr


@pytest.mark.parametrize("command", ["upgrade", "downgrade"])
def test_prompt_without_a_terminal_asks_for_no_prompt(database_url: str, command: str) -> None:
    result = run("litestar", "database", command, env=environment(DATABASE_URL=database_url))
    assert result.returncode == 2
    assert "--no-prompt" in result.stderr + result.stdout


def answered(answer: str, *arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    """`litestar database upgrade`, typed on a terminal where somebody gives this answer."""
    person, terminal = os.openpty()
    try:
        os.write(person, f"{answer}\n".encode())
        return run("litestar", "database", "upgrade", *arguments, env=environment(DATABASE_URL=url), stdin=terminal)
    finally:
        os.close(person)
        os.close(terminal)


def test_upgrade_asks_with_the_name_of_the_database_and_what_is_pending(empty_database_url: str) -> None:
    upgrade(settings_for(empty_database_url), FIRST)
    url = make_url(empty_database_url).set(password="hunter2")
    result = answered("n", url=url.render_as_string(hide_password=False))
    assert result.returncode == 1, result.stderr
    assert f"/{url.database}" in result.stderr
    assert "hunter2" not in result.stdout + result.stderr
    shown = [line.split()[:2] for line in result.stderr.splitlines() if line.startswith("  ")]
    assert shown == [list(row) for row in phases(empty_database_url).items()][1:]
    assert applied(empty_database_url) == [FIRST]


def test_upgrade_asks_about_no_more_than_it_would_apply(empty_database_url: str) -> None:
    upgrade(settings_for(empty_database_url), FIRST)
    result = answered("y", "+1", url=empty_database_url)
    assert result.returncode == 0, result.stderr
    second, third = revisions(empty_database_url)[1:3]
    assert f"\n  {second}  expand" in result.stderr
    assert third not in result.stderr
    assert applied(empty_database_url) == [second]


def test_upgrade_does_not_ask_where_there_is_nothing_to_apply(database_url: str) -> None:
    result = answered("n", url=database_url)
    assert result.returncode == 0, result.stderr
    assert "[y/N]" not in result.stderr


@pytest.mark.parametrize("command", ["upgrade", "downgrade"])
def test_help_says_what_the_command_does_without_a_database(command: str) -> None:
    result = run(
        "litestar", "database", command, "--help", env=environment(DATABASE_URL="postgresql://n@127.0.0.1:1/n")
    )
    assert result.returncode == 0
    assert "--no-prompt" in result.stdout
    assert "--sql" in result.stdout


@pytest.mark.parametrize("command", [("alembic", "current"), ("litestar", "info"), ("litestar", "database", "heads")])
def test_wrong_setting_is_one_message_and_exit_code_2(command: tuple[str, ...]) -> None:
    result = run(*command, env=environment(DATABASE_URL="postgresql://u:hunter2@h/d", DB_AUTO_MIGRATE="maybe"))
    assert result.returncode == 2
    assert "DB_AUTO_MIGRATE" in result.stderr
    assert "'maybe'" in result.stderr
    assert "Traceback" not in result.stderr
    assert "hunter2" not in result.stderr + result.stdout


def test_info_shows_no_password(database_url: str) -> None:
    url = make_url(database_url).set(password="hunter2").render_as_string(hide_password=False)
    result = run("litestar", "info", env=environment(DATABASE_URL=url))
    assert result.returncode == 0
    assert "hunter2" not in result.stdout + result.stderr


def test_migrating_in_process_leaves_the_logging_as_it_was(empty_database_url: str) -> None:
    root = logging.getLogger()
    mine = logging.getLogger("somebody.elses")
    before = (list(root.handlers), root.level, mine.disabled)
    upgrade(settings_for(empty_database_url))
    assert (list(root.handlers), root.level, mine.disabled) == before


# What is written by rich, by click, by Alembic's environment and by the log.
WRITING = {
    "alembic current": "stdout",
    "alembic upgrade head --sql": "stdout",
    "alembic upgrade head": "stderr",
    "litestar database drift": "stdout",
    "litestar database drift --json": "stdout",
    "litestar database status": "stdout",
    "litestar database upgrade --sql": "stdout",
    "litestar database upgrade --no-prompt": "stderr",
    "litestar database doctor": "stdout",
    "litestar database lint": "stdout",
    "litestar users list --json": "stdout",
    "litestar users list": "stderr",
    "litestar demo seed --tasks 1 --boards 1 --no-prompt": "stdout",
    "litestar info": "stdout",
    "litestar --help": "stdout",
}


@pytest.mark.parametrize("unbuffered", [None, "1"])
def test_nobody_who_reads_is_no_error_but_the_exit_code_of_a_closed_pipe(
    unbuffered: str | None, database_url: str, long: bool
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    env = environment(DATABASE_URL=database_url, PYTHONUNBUFFERED=unbuffered)
    # Half of them each way; with --long, all.
    chosen = [command for n, command in enumerate(WRITING) if long or n % 2 == bool(unbuffered)]

    def ended(command: str) -> tuple[int, str]:
        streams: dict[str, Any] = {WRITING[command]: writer}
        done = run(*command.split(), env=env, **streams)
        return done.returncode, (done.stdout or "") + (done.stderr or "")

    with ThreadPoolExecutor(2) as pool:
        for command, (code, said) in zip(chosen, pool.map(ended, chosen), strict=True):
            assert code == 141, (command, said)
            assert "Broken" not in said, command
            assert "Traceback" not in said, command
    os.close(writer)


@pytest.mark.parametrize(
    "command",
    [("alembic", "upgrade", "head"), ("litestar", "--app", "app.asgi:create_app", "db", "upgrade", "--no-prompt")],
)
def test_what_works_on_the_schema_alone_needs_no_token(empty_database_url: str, command: tuple[str, ...]) -> None:
    env = environment(DATABASE_URL=empty_database_url, ENVIRONMENT="production", LOCAL_AUTH_TOKEN=None)
    result = run(*command, env=env)
    assert result.returncode == 0, result.stderr
    assert "tasks" in tables(empty_database_url)


@pytest.mark.parametrize("command", [("run", "--port", "1"), ("info",), ("run", "--host", "db")])
def test_what_serves_needs_the_token(command: tuple[str, ...]) -> None:
    env = environment(DATABASE_URL="postgresql://n@127.0.0.1:1/n", LOCAL_AUTH_TOKEN=None)
    result = run("litestar", *command, env=env)
    assert result.returncode == 2
    assert result.stderr.startswith("Error: LOCAL_AUTH_TOKEN is not set")


def test_commands_are_listed_whatever_the_settings() -> None:
    result = run("litestar", "database", "--help", env=environment(DB_AUTO_MIGRATE="maybe"))
    assert result.returncode == 0, result.stderr
    assert "upgrade" in result.stdout


def test_misspelt_command_is_compared_with_all_of_them() -> None:
    result = run("litestar", "database", "statsu", env=environment())
    assert result.returncode == 2
    assert "Did you mean 'status'?" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("/x/bin/litestar database upgrade", "database"),
        ("/x/bin/litestar --app-dir . --app=app.asgi:create_app db", "db"),
        ("/x/site-packages/litestar/__main__.py database", "database"),
        ("/x/bin/litestar users list", "users"),
        ("/x/bin/litestar run --host database", None),
        ("/x/bin/litestar --app database run", None),
        ("/x/bin/litestar --no-such-option database", None),
        ("/x/bin/litestar", None),
        ("/x/bin/uvicorn database", None),
    ],
)
def test_command_is_told_from_its_arguments(
    arguments: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", arguments.split())
    assert command_group() == expected


def test_upgrade_takes_a_backup_first_where_there_is_something_to_apply(
    empty_database_url: str, tmp_path: Path
) -> None:
    upgrade(settings_for(empty_database_url), FIRST)
    query(empty_database_url, "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'kept')")
    command = ("litestar", "database", "upgrade", "--no-prompt", "--backup-to", str(tmp_path / "before.tar"))
    env = environment(DATABASE_URL=empty_database_url)
    result = run(*command, env=env)
    assert result.returncode == 0, result.stderr
    with open_archive(tmp_path / "before.tar") as archive:
        assert archive.manifest.revisions == (FIRST,)
        assert archive.manifest.rows["public.organizations"] == 1
    assert applied(empty_database_url) == revisions(empty_database_url)[-1:]
    again = run(*command, env=env)
    assert again.returncode == 0
    assert "no backup was taken" in again.stderr


def test_unknown_revision_is_a_message_before_any_backup(database_url: str, tmp_path: Path) -> None:
    command = ("litestar", "database", "upgrade", "typo", "--no-prompt", "--backup-to", str(tmp_path / "before.tar"))
    result = run(*command, env=environment(DATABASE_URL=database_url))
    assert result.returncode == 3, result.stderr
    assert "Traceback" not in result.stderr
    assert "typo" in result.stderr
    assert not (tmp_path / "before.tar").exists()


def test_upgrade_applies_nothing_where_there_is_no_backup(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "there.tar").touch()
    command = ("litestar", "database", "upgrade", "--no-prompt", "--backup-to", str(tmp_path / "there.tar"))
    assert run(*command, env=environment(DATABASE_URL=empty_database_url)).returncode == 5
    assert tables(empty_database_url) == set()
