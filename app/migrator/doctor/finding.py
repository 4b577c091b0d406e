"""What a check has found, and what the checks are told."""

import shlex
from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec
from alembic.script import ScriptDirectory

from ...postgres.url.database_url import DatabaseURL
from ..config import MigratorConfig


class Severity(StrEnum):
    """NOTE is worth knowing, or could not be looked at; WARNING may hurt; PROBLEM keeps from migrating or serving."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`next_command` is a line for a shell; warnings and problems always have one. No secret and no row is in it."""

    group: str = ""
    check: str = ""
    severity: Severity
    seen: str
    why: str = ""
    next_command: str = ""


@dataclass(frozen=True)
class Limits:
    """From where on something is worth a warning: seconds, bytes, shares of 1, and numbers of transactions."""

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
class Subject:
    """What is examined through a connection that stands: `url` made it; no `directory` where it cannot be read."""

    config: MigratorConfig
    url: DatabaseURL
    directory: ScriptDirectory | None
    limits: Limits

    def psql(self, statement: str, role: str | None = None) -> str:
        """As `psql`; with `role` as that one, where ours may not."""
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
    """A command line that asks for the password, if there is one to ask for."""
    return f"psql {shlex.quote(url.libpq_without_password)} -c {shlex.quote(statement)}"
