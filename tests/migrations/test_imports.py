"""What a process imports: time at its start, and memory for as long as it lives."""

from importlib.util import find_spec

from tests.support.processes import environment, run

_SERVES = ("app.api", "app.services", "app.repositories", "app.schemas", "uvicorn", "prometheus_client")
_OF_SOME_SETTINGS_OR_REQUESTS = ("httpx", "jwt", "cryptography", "re2")
_OF_ONE_COMMAND = ("lint", "drift", "doctor", "backfill.executor", "cli.restore", "cli.status")


def imported(*command: str, **changes: str) -> set[str]:
    """The modules, and the packages they are in, of a command that ends well."""
    result = run(*command, env=environment(PYTHONPROFILEIMPORTTIME="1", **changes))
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def below(names: set[str], *packages: str) -> set[str]:
    return {name for name in names if name.startswith(tuple(f"{package}." for package in packages)) or name in packages}


def test_upgrade_imports_neither_what_serves_nor_other_commands(database_url: str) -> None:
    names = imported("litestar", "database", "upgrade", "--no-prompt", DATABASE_URL=database_url)
    assert "app.migrator.execution.executor" in names
    others = [f"app.migrator.{name}" for name in _OF_ONE_COMMAND]
    assert all(find_spec(name) for name in (*_SERVES, *_OF_SOME_SETTINGS_OR_REQUESTS, *others)), (
        "they are named rightly"
    )
    assert below(names, *_SERVES, *_OF_SOME_SETTINGS_OR_REQUESTS, *others) == set()


def test_server_imports_nothing_for_other_commands_or_for_what_few_need() -> None:
    code = "from app.asgi import create_app; create_app()"
    names = imported("python", "-c", code, DATABASE_URL="postgresql://nobody@127.0.0.1/nothing")
    assert "app.api.tasks" in names
    assert below(names, *_OF_SOME_SETTINGS_OR_REQUESTS, "app.migrator.cli") == set()
    names = imported("litestar", "run", "--help", DATABASE_URL="postgresql://nobody@127.0.0.1/nothing")
    assert "app.api.tasks" in names
    assert below(names, *_OF_SOME_SETTINGS_OR_REQUESTS, "app.cli.demo", "app.cli.users") == set()
