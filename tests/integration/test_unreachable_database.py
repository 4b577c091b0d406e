"""What start-up and the commands say of a database that cannot be reached."""

import time
from typing import Any

import pytest
from sqlalchemy import make_url

from tests.support.processes import environment, run
from tests.support.throwaway_postgres import new_cluster, running

COMMANDS = [
    ("litestar", "run", "--port", "1"),
    ("litestar", "database", "upgrade", "--no-prompt"),
    ("alembic", "upgrade", "head"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_refused_connection_is_retried_then_named(command: tuple[str, ...]) -> None:
    before = time.monotonic()
    result = run(
        *command,
        env=environment(DATABASE_URL="postgresql://u:hunter2@127.0.0.1:1/harbour", DB_CONNECT_TIMEOUT="1"),
    )
    output = result.stdout + result.stderr
    assert result.returncode == 4, output
    # It pauses 0.1, 0.2 and 0.4 s, and not once more where that would be longer than what is left.
    assert time.monotonic() - before >= 0.6
    assert "waiting for the database" in output
    assert output.count("cannot be reached") == 1
    assert "127.0.0.1:1/harbour" in output
    assert "refused" in output
    assert "hunter2" not in output
    assert "Traceback" not in output


def test_unresolvable_host_is_named() -> None:
    url = "postgresql://u:hunter2@no-such-host.invalid:6543/harbour"
    result = run("litestar", "run", "--port", "1", env=environment(DATABASE_URL=url, DB_CONNECT_TIMEOUT="0.5"))
    assert result.returncode == 4
    assert "no-such-host.invalid:6543/harbour" in result.stderr
    assert "cannot be resolved" in result.stderr
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_silent_server_is_given_up_after_the_timeout(silent_server: int, command: tuple[str, ...]) -> None:
    url = f"postgresql://u:hunter2@127.0.0.1:{silent_server}/harbour"
    result = run(*command, env=environment(DATABASE_URL=url, DB_CONNECT_TIMEOUT="1"))
    assert result.returncode == 4
    assert f"127.0.0.1:{silent_server}/harbour cannot be reached within 1 s: " in result.stderr
    assert "does not answer" in result.stderr
    assert "hunter2" not in result.stderr
    assert "Traceback" not in result.stderr


def test_missing_database_is_not_waited_for(database_url: str) -> None:
    url = make_url(database_url).set(database="no_such_harbour").render_as_string(hide_password=False)
    result = run("litestar", "run", "--port", "1", env=environment(DATABASE_URL=url, DB_CONNECT_TIMEOUT="60"))
    assert result.returncode == 4
    assert "no_such_harbour" in result.stderr
    assert "no database of this name" in result.stderr
    assert "waiting" not in result.stderr


def test_wrong_password_is_not_waited_for() -> None:
    rules = "host all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n"
    with new_cluster(rules) as directory, running(directory) as server:
        server.execute("CREATE ROLE mate LOGIN PASSWORD 'the right one'")
        url = f"postgresql://mate:hunter2@127.0.0.1:{server.port}/postgres"
        result = run("litestar", "run", "--port", "1", env=environment(DATABASE_URL=url, DB_CONNECT_TIMEOUT="60"))
    assert result.returncode == 4
    assert "user and password" in result.stderr
    assert "waiting" not in result.stderr
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"database": "no_such_harbour"}, "no database of this name"),
        ({"host": "127.0.0.1", "port": 1}, "refused"),
        ({"host": "no-such-host.invalid"}, "cannot be resolved"),
    ],
)
def test_reason_is_named_whatever_the_driver(
    database_url: str, driver: str, change: dict[str, Any], reason: str
) -> None:
    url = make_url(database_url).set(drivername=driver, **change)
    if "host" in change:
        url = url.set(query={})
    env = environment(DATABASE_URL=url.render_as_string(hide_password=False), DB_CONNECT_TIMEOUT="1.5")
    result = run("alembic", "current", env=env)
    assert result.returncode == 4
    assert reason in result.stderr.splitlines()[-1]
