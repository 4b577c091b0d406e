"""Where the password of a connection comes from, and what is said where there is none."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.postgres.connect_failure import classify_connect_error
from app.postgres.passwords import find_password
from tests.support.processes import environment, run
from tests.support.throwaway_postgres import Server, new_cluster, running

PASSWORD = "hunter2"
COMMANDS = [("litestar", "database", "status"), ("alembic", "current"), ("litestar", "run", "--port", "1")]
DRIVERS = ["postgresql", "postgresql+psycopg"]
WRONG = "does not accept this user and password"
MISSING = "the server asks for a password, and none was given: "


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with (
        new_cluster("local all all trust\nhost all all all scram-sha-256\n") as directory,
        running(directory) as started,
    ):
        started.execute(f"CREATE ROLE mate LOGIN PASSWORD '{PASSWORD}'")
        yield started


@pytest.fixture
def passfile(server: Server, tmp_path: Path) -> Path:
    """Return a password file with the right password."""
    file = tmp_path / "pass"
    file.write_text(f"# ours\n127.0.0.1:{server.port}:*:mate:{PASSWORD}\n")
    file.chmod(0o600)
    return file


def status(server: Server, parameters: str = "", driver: str = DRIVERS[0], **environ: str) -> tuple[int, str]:
    """The exit code of `status`, and what it says."""
    url = f"{driver}://mate@127.0.0.1:{server.port}/postgres{parameters}"
    given = {"PGPASSFILE": None, "PGPASSWORD": None, "HOME": "/nonexistent", "DB_CONNECT_TIMEOUT": "60", **environ}
    result = run("litestar", "database", "status", env=environment(DATABASE_URL=url, **given))
    assert PASSWORD not in result.stdout + result.stderr
    assert "Warning" not in result.stderr
    assert "Traceback" not in result.stderr
    return result.returncode, result.stderr


@pytest.mark.parametrize("driver", DRIVERS)
def test_password_file_of_the_url_the_environment_and_the_home_is_read(
    driver: str, server: Server, passfile: Path, tmp_path: Path
) -> None:
    assert status(server, f"?passfile={passfile}", driver) == (0, "")
    assert status(server, driver=driver, PGPASSFILE=str(passfile)) == (0, "")
    passfile.rename(tmp_path / ".pgpass")
    assert status(server, driver=driver, HOME=str(tmp_path)) == (0, "")


@pytest.mark.parametrize("driver", DRIVERS)
def test_without_a_password_it_is_said_that_there_was_none(driver: str, server: Server, tmp_path: Path) -> None:
    code, said = status(server, driver=driver)
    assert code == 4
    assert f"{MISSING}neither the URL nor PGPASSWORD nor a password file has one" in said
    assert WRONG not in said
    assert "waiting" not in said


@pytest.mark.parametrize("driver", DRIVERS)
def test_wrong_password_is_not_called_a_missing_one(driver: str, server: Server, passfile: Path) -> None:
    passfile.write_text("*:*:*:*:wrong\n")
    for given in ({"PGPASSWORD": "wrong"}, {"PGPASSFILE": str(passfile)}):
        code, said = status(server, driver=driver, **given)
        assert code == 4
        assert WRONG in said
        assert "none was given" not in said


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_password_file_that_others_may_read_is_named_by_every_command(
    command: tuple[str, ...], server: Server, passfile: Path
) -> None:
    passfile.chmod(0o644)
    url = f"postgresql://mate@127.0.0.1:{server.port}/postgres?passfile={passfile}"
    result = run(*command, env=environment(DATABASE_URL=url, PGPASSWORD=None))
    assert result.returncode == 4
    assert f"{MISSING}the password file '{passfile}' is not used, since its mode 0644 lets others in" in result.stderr
    assert f"chmod 600 {passfile}" in result.stderr
    assert "UserWarning" not in result.stderr
    assert WRONG not in result.stderr


def test_password_file_that_is_left_out_is_no_error_where_none_is_needed(server: Server, passfile: Path) -> None:
    passfile.chmod(0o644)
    url = f"postgresql://mate@/postgres?host={server.directory}&port={server.port}&passfile={passfile}"
    result = run("litestar", "database", "status", env=environment(DATABASE_URL=url, PGPASSWORD=None))
    assert (result.returncode, result.stderr) == (0, "")


def test_each_fault_of_a_password_file_is_named(server: Server, passfile: Path, tmp_path: Path) -> None:
    passfile.write_text("elsewhere:*:*:mate:x\n")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for file, fault in (
        (passfile, "has no line for this host, port, database and user"),
        (tmp_path / "missing", "cannot be read (No such file or directory)"),
        (tmp_path, "is no regular file"),
        (tmp_path / "pipe", "is no regular file"),
    ):
        code, said = status(server, f"?passfile={file}")
        assert code == 4
        assert f"{MISSING}the password file '{file}' {fault}" in said


def test_doctor_tells_where_the_password_comes_from(server: Server, passfile: Path) -> None:
    place = f"127.0.0.1:{server.port}/postgres"
    for url, environ, source in (
        (f"postgresql://mate:{PASSWORD}@{place}", {}, "password from the URL"),
        (f"postgresql://mate@{place}", {"PGPASSWORD": PASSWORD}, "password from PGPASSWORD"),
        (f"postgresql://mate@{place}", {"PGPASSFILE": str(passfile)}, f"password from the password file '{passfile}'"),
        (f"postgresql://mate@{place}", {}, "no password"),
    ):
        given = {"PGPASSFILE": None, "PGPASSWORD": None, "HOME": "/nonexistent", **environ}
        result = run("litestar", "database", "doctor", env=environment(DATABASE_URL=url, COLUMNS="300", **given))
        assert f"DATABASE_URL: {place}, user mate, {source}, through asyncpg (from environment)" in result.stdout
        assert PASSWORD not in result.stdout


def test_doctor_tells_of_a_missing_password_and_where_to_put_it(server: Server, tmp_path: Path) -> None:
    url = f"postgresql://mate@127.0.0.1:{server.port}/postgres?passfile={tmp_path / 'none'}"
    result = run("litestar", "database", "doctor", env=environment(DATABASE_URL=url, PGPASSWORD=None, COLUMNS="300"))
    assert result.returncode == 1
    assert f"mate: {MISSING}the password file '{tmp_path / 'none'}' cannot be read" in result.stdout
    assert "Put it into the URL, the file that holds the URL, PGPASSWORD, or a password file" in result.stdout


@pytest.mark.parametrize(
    ("line", "arguments", "password"),
    [
        ("h:5432:d:u:pass:word", {}, "pass:word"),
        (r"h:5432:d:u:pass\:wo\\rd", {}, r"pass:wo\rd"),
        ("*:*:*:*:p", {}, "p"),
        ("h:*:d:u:p # not a comment ", {}, "p # not a comment "),
        ("h:5432:d:u:p\r", {}, "p"),
        (r"\:\:1:5432:d:u:p", {"host": "::1"}, "p"),
        ("localhost:5432:d:u:p", {"host": "/run/postgresql"}, "p"),
        ("/run/postgresql:5432:d:u:p", {"host": "/run/postgresql"}, "p"),
        ("b:2:d:u:p", {"host": ["a", "b"], "port": [1, 2]}, "p"),
        ("localhost:5432:d:u:p", {"host": None, "port": None}, "p"),
        ("h:5432:u:u:p", {"database": None}, "p"),
        ("#h:5432:d:u:p", {}, ""),
        ("h:5433:d:u:p", {}, ""),
        ("H:5432:d:u:p", {}, ""),
        ("h:5432:d:u", {}, ""),
        ("h:5432:d:u:", {}, ""),
        ("", {}, ""),
    ],
)
def test_line_is_of_a_connection_as_libpq_reads_it(
    line: str, arguments: dict[str, Any], password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("PGPASSWORD", "PGHOST", "PGPORT", "PGDATABASE", "PGUSER"):
        monkeypatch.delenv(variable, raising=False)
    file = tmp_path / "pass"
    file.write_text(f"other:1:1:1:1\n{line}\n")
    file.chmod(0o600)
    given = {"host": "h", "port": 5432, "database": "d", "user": "u", "passfile": str(file), **arguments}
    assert find_password(given).password == password


def test_first_line_that_fits_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    file = tmp_path / "pass"
    file.write_text("*:*:*:v:0\n*:*:*:u:1\nh:5432:d:u:2\n")
    file.chmod(0o400)
    given = {"host": "h", "port": 5432, "database": "d", "user": "u", "passfile": str(file)}
    assert find_password(given) == ("1", f"the password file '{file}'", "")


def test_pooler_that_gives_another_reason_is_told_with_the_missing_password() -> None:
    refusal = asyncpg.PostgresError.new({"S": "FATAL", "C": "08P01", "M": "SASL authentication failed"})
    assert "No password" not in classify_connect_error(refusal).reason
    refusal.missing_password = "nothing has one"
    assert "SASL authentication failed" in classify_connect_error(refusal).reason
    assert classify_connect_error(refusal).reason.endswith("No password was given: nothing has one")
