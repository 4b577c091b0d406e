"""What a check has found, and what the checks are given."""

import shlex
from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec
from alembic.script import ScriptDirectory

from ...postgres.url.database_url import DatabaseURL
from ..config import MigratorConfig


class Severity(StrEnum):
    """NOTE: worth knowing, or not to be checked. WARNING: may do harm. PROBLEM: prevents migrating or serving."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding without secrets and values of rows; warnings and problems have a `next_command`, a line for a shell."""

    group: str = ""
    check: str = ""
    severity: Severity
    seen: str
    why: str = ""
    next_command: str = ""


@dataclass(frozen=True)
class CheckLimits:
    """The values from which on there is a warning: seconds, bytes, shares of 1, and numbers of transactions."""

    connect_timeout: float = 5.0
    statement_timeout: float = 5.0
    lock_timeout: float = 0.5
    long_transaction: float = 60.0
    clock_skew: float = 5.0
    used_connections: float = 0.8
    free_disk: float = 0.1
    retained_wal: int = 1024**3
    transaction_age: int = 1_000_000_000
    certificate_days: float = 14.0


@dataclass(frozen=True)
class CheckContext:
    """What a check has beside a connection, which `url` made; `directory` is None if the revisions cannot be read."""

    config: MigratorConfig
    url: DatabaseURL
    directory: ScriptDirectory | None
    limits: CheckLimits

    def psql(self, statement: str, role: str | None = None) -> str:
        """Return a command line that runs the statement as the connection's user, or as `role`."""
        return psql(replace(self.url, user=role or self.url.user), statement)


def ok(seen: str) -> Finding:
    return Finding(severity=Severity.OK, seen=seen)


def note(seen: str, why: str = "", next_command: str = "") -> Finding:
    return Finding(severity=Severity.NOTE, seen=seen, why=why, next_command=next_command)


def warning(seen: str, why: str, next_command: str) -> Finding:
    return Finding(severity=Severity.WARNING, seen=seen, why=why, next_command=next_command)


def problem(seen: str, why: str, next_command: str) -> Finding:
    return Finding(severity=Severity.PROBLEM, seen=seen, why=why, next_command=next_command)


def sentence(text: str) -> str:
    return text if text.endswith(("?", ".")) else f"{text}."


def psql(url: DatabaseURL, statement: str) -> str:
    """Return a command line that runs the statement; psql asks for the password if it needs one."""
    return f"psql {shlex.quote(url.libpq_without_password)} -c {shlex.quote(statement)}"
