"""What is wrong with the settings ends every command before it does anything, and is said once."""

import json
from pathlib import Path

import pytest

from tests.support.processes import ROOT, environment, run

_FACTORY = "app.asgi:create_app"
_ALEMBIC = ("alembic", "-c", str(ROOT / "alembic.ini"))
COMMANDS = [
    ("litestar", "run", "--port", "1"),
    ("litestar", "routes"),
    ("litestar", "database", "status"),
    ("litestar", "db", "upgrade", "--no-prompt"),
    ("litestar", "users", "list"),
    ("litestar", "demo", "seed", "--no-prompt"),
    (*_ALEMBIC, "upgrade", "head"),
    (*_ALEMBIC, "upgrade", "head", "--sql"),
    ("uvicorn", "--factory", _FACTORY, "--port", "1"),
]
_every_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[-3:]))
_UNSET = dict.fromkeys(("ENVIRONMENT", "LOCAL_AUTH_TOKEN", "DB_CONNECT_TIMEOUT"))
# Where nothing listens: what goes on is exit code 4.
_URL = "postgresql://u:hunter2@127.0.0.1:1/harbour"


def refused(command: tuple[str, ...], folder: Path, **environ: str | None) -> str:
    """Return what the command says when it ends for a wrong setting, having done nothing."""
    before = sorted(folder.iterdir())
    result = run(*command, env=environment(LITESTAR_APP=_FACTORY, **environ), cwd=folder)
    said = result.stdout + result.stderr
    assert result.returncode == 2, said
    assert sorted(folder.iterdir()) == before
    assert result.stderr.count("Error: ") == 1
    for unwanted in ("hunter2", "Traceback", "dotenv"):
        assert unwanted not in said
    return result.stderr


@_every_command
def test_line_of_the_file_that_cannot_be_read_ends_every_command(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f'ENVIRONMENT="production\nDATABASE_URL={_URL}\n')
    told = refused(command, tmp_path, **_UNSET)
    assert f"Error: {tmp_path / '.env'}, line 1, opens a quotation mark for ENVIRONMENT" in told


@_every_command
def test_file_in_another_encoding_ends_every_command(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ENVIRONMENT=production\n", "utf-16")
    assert f"{tmp_path / '.env'} cannot be read: it is not UTF-8 text" in refused(command, tmp_path, **_UNSET)


@_every_command
def test_every_command_names_all_settings_that_are_wrong(command: tuple[str, ...], tmp_path: Path) -> None:
    told = refused(
        command,
        tmp_path,
        ENVIROMENT="production",
        DB_POOL_SIZE="ten",
        LOG_LEVEL="loud",
        DATABASE_URL="postgresql://u:hunter2@h/d?unknown=1",
        MIGRATION_DATABASE_URL="mysql://u:hunter2@h/d",
        DATABASE_REPLICA_URLS="postgresql://u:hunter2@a,b/d",
    )
    count, *lines = told[told.index("Error: ") :].splitlines()
    assert count == "Error: 6 settings are wrong."
    assert [line.split(" ")[0] for line in lines] == [
        "DB_POOL_SIZE",
        "LOG_LEVEL",
        "ENVIROMENT",
        "DATABASE_URL",
        "MIGRATION_DATABASE_URL",
        "DATABASE_REPLICA_URLS",
    ]


@_every_command
def test_every_command_tells_of_a_misspelt_variable_but_not_its_value(command: tuple[str, ...], tmp_path: Path) -> None:
    env = environment(
        LITESTAR_APP=_FACTORY, DATABASE_URL=_URL, DB_CONNECT_TIMEOUT="0.2", LOCAL_AUTH_TOKE="hunter2", LOG_FORMAT="json"
    )
    result = run(*command, env=env, cwd=tmp_path)
    logged = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    told = [(entry["variable"], entry["meant"], entry["level"]) for entry in logged if "variable" in entry]
    assert told == [("LOCAL_AUTH_TOKE", "LOCAL_AUTH_TOKEN", "warning")]
    assert "hunter2" not in result.stdout + result.stderr


def test_settings_are_those_of_the_working_directory_alone(tmp_path: Path) -> None:
    """Not of a folder above, nor of that of the virtual environment, which python-dotenv would look through."""
    (tmp_path / ".env").write_text("DB_POOL_SIZE=ten\n")
    folder = tmp_path / "below"
    folder.mkdir()
    env = environment(LITESTAR_APP=_FACTORY, DATABASE_URL=_URL, DB_CONNECT_TIMEOUT="0.2")
    assert run("litestar", "database", "status", env=env, cwd=folder).returncode == 4
    assert run("litestar", "database", "status", env=env, cwd=tmp_path).returncode == 2


def test_doctor_tells_of_the_file_and_nothing_that_it_may_hold(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('DB_MIGRATE_LOCK_WAIT=7\nENVIRONMENT="production\n')
    env = environment(LITESTAR_APP=_FACTORY, **_UNSET)
    result = run("litestar", "database", "doctor", "--json", env=env, cwd=tmp_path)
    assert result.returncode == 1
    assert [*tmp_path.iterdir()] == [tmp_path / ".env"], "no database was started"
    settings = [finding for finding in json.loads(result.stdout) if finding["check"] == "settings"]
    assert [finding["seen"] for finding in settings if finding["severity"] == "ok"] == [
        "DB_MIGRATE_LOCK_WAIT: 7 s (from .env)"
    ]
    (problem,) = [finding for finding in settings if finding["severity"] == "problem"]
    assert problem["seen"].startswith(f"{tmp_path / '.env'}, line 2, opens a quotation mark for ENVIRONMENT")
    assert problem["next_command"] == f"ls -l {tmp_path / '.env'}"


def test_doctor_tells_where_a_secret_comes_from(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{database_url}\n")
    (tmp_path / "token").write_text("short")
    (tmp_path / ".env").write_text(f"DATABASE_URL_FILE={tmp_path / 'url'}\nSECRET_KEY=x\n")
    env = environment(
        LITESTAR_APP=_FACTORY, ENVIRONMENT="dev", LOCAL_AUTH_TOKEN=None, LOCAL_AUTH_TOKEN_FILE=str(tmp_path / "token")
    )
    result = run("litestar", "database", "doctor", "--json", env=env, cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    seen = [finding["seen"] for finding in json.loads(result.stdout)]
    file = f"(from the file {tmp_path / 'url'}, which DATABASE_URL_FILE names (from .env))"
    assert any(text.startswith("DATABASE_URL: ") and text.endswith(file) for text in seen)
    assert f"LOCAL_AUTH_TOKEN: set (from the file {tmp_path / 'token'}, which LOCAL_AUTH_TOKEN_FILE names" in str(seen)
    assert "SECRET_KEY: set (from .env)" in seen


@_every_command
def test_every_command_reads_the_database_s_url_from_a_file(command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{_URL}\n")
    env = environment(
        LITESTAR_APP=_FACTORY,
        DATABASE_URL_FILE=str(tmp_path / "url"),
        DB_CONNECT_TIMEOUT="0.2",
        ENVIRONMENT="production",
    )
    result = run(*command, env=env, cwd=tmp_path)
    # Two of them connect to nothing, and one starts a loop of its own, which ends as it likes.
    assert result.returncode in ({0} if command[-1] in {"routes", "--sql"} else {3, 4}), result.stderr
    assert "is not set" not in result.stderr
    assert "hunter2" not in result.stdout + result.stderr


def test_secret_in_the_wrong_encoding_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "url").write_bytes(b"\xff")
    told = refused(("litestar", "database", "status"), tmp_path, DATABASE_URL_FILE=str(tmp_path / "url"))
    assert told.startswith(f"Error: DATABASE_URL_FILE names '{tmp_path / 'url'}', which is not UTF-8 text.")
