"""Processes that a lock in the database stops at a chosen point of a migration, and what becomes of the database."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.database import query
from tests.support.processes import BIN, Forked, run, serving, start_logging

SERVE = ("litestar", "run")
COMMANDS = (("alembic", "upgrade", "head"), ("litestar", "database", "upgrade", "--no-prompt"), SERVE)

# What a test holds while a process shall stand still in the triggers below.
CLOSED = "SELECT pg_advisory_xact_lock(77)"
_MAKE_BARRIER = """
    CREATE FUNCTION barrier() RETURNS {kind} LANGUAGE plpgsql SET lock_timeout = 0 AS $$
    BEGIN {condition} PERFORM pg_advisory_xact_lock_shared(77); {end} RETURN{value}; END $$
"""


def stop_in_ddl(url: str, tag: str, *, of: str) -> None:
    """Whoever runs such a command on the object stands still once it is done, within its transaction."""
    condition = f"IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = '{of}') THEN"
    query(url, _MAKE_BARRIER.format(kind="event_trigger", condition=condition, end="END IF;", value=""))
    query(url, f"CREATE EVENT TRIGGER barrier ON ddl_command_end WHEN TAG IN ('{tag}') EXECUTE FUNCTION barrier()")


def stop_in_update(url: str, table: str, when: str, *, at_commit: bool = False) -> None:
    """Whoever updates the table so stands still before it, or when the transaction is committed."""
    query(url, _MAKE_BARRIER.format(kind="trigger", condition="", end="", value=" NEW"))
    create = "CREATE CONSTRAINT TRIGGER barrier AFTER" if at_commit else "CREATE TRIGGER barrier BEFORE"
    deferred = "DEFERRABLE INITIALLY DEFERRED" if at_commit else ""
    query(url, f"{create} UPDATE ON {table} {deferred} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION barrier()")


def remove_barrier(url: str) -> None:
    query(url, "DROP FUNCTION IF EXISTS barrier() CASCADE")


def add_revision(checkout: Path, revision: str, down_revision: str, upgrade: str) -> None:
    """Writes a revision into a copy of the project, for a process that is started there; `upgrade` is indented."""
    (checkout / "migrations" / "versions" / f"2027_01_01_{revision}.py").write_text(
        f'"""A test\'s."""\n\nfrom alembic import op\n\nrevision = "{revision}"\ndown_revision = "{down_revision}"\n'
        f'phase = "expand"\n\n\ndef upgrade():{upgrade}\n\ndef downgrade():\n    pass\n'
    )


@contextmanager
def running(
    command: tuple[str, ...], env: Mapping[str, str], checkout: Path, log: Path
) -> Iterator[Forked | subprocess.Popen[bytes]]:
    """The process of a command, its output in `log`; killed at the end if it still runs."""
    program = [str(BIN / command[0]), *command[1:], *(["--port", "0"] if command == SERVE else [])]
    process = start_logging(program, env, checkout, log)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def finish(command: tuple[str, ...], env: Mapping[str, str], checkout: Path, log: Path) -> None:
    """Runs the command to its end; a server until it is ready."""
    if command == SERVE:
        with serving(env, log, cwd=checkout) as server:
            server.wait_until_ready()
            server.stop()
        return
    result = run(*command, env=env, cwd=checkout)
    assert result.returncode == 0, result.stderr


def sessions(url: str, condition: str = "true") -> list[int]:
    """The server's processes that migrate this database now."""
    rows = query(
        url,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name ="
        f" 'plimsoll migrations' AND ({condition})",
    )
    return [int(str(pid)) for (pid,) in rows]


def polls_for_the_lock(url: str) -> int:
    """How many processes stand before the migration lock: those before it only connect for a moment."""
    return len(sessions(url, "state = 'idle' AND backend_start < clock_timestamp() - interval '0.3 s'"))


def lock_holders(url: str) -> list[tuple[object, ...]]:
    """Whoever holds an advisory lock in this database."""
    return query(
        url,
        "SELECT pid, classid, objid FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
