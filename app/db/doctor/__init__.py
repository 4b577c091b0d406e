"""The application's part of `litestar database doctor`: its settings and replicas, beside the engine's own checks."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from app.core.config import Reading, read_settings
from app.core.logging import configure_logging
from app.core.setting_sources import setting_of
from app.db.database import open_database
from app.db.doctor.replicas import check_replicas
from app.db.doctor.settings import check_settings, read_targets
from app.db.migrator import migrator_config
from app.migrator.doctor.checks import examine
from app.migrator.doctor.finding import Finding, Limits, problem
from app.migrator.doctor.runner import named
from app.migrator.doctor.target import ConnectionTarget
from app.postgres.errors import DatabaseError


def examine_process() -> list[Finding]:
    """Return every finding about this process's settings and database."""
    reading = read_settings()
    configure_logging(reading.settings)
    return examine_application(reading)


def examine_application(reading: Reading, limits: Limits | None = None) -> list[Finding]:
    """Return every finding about these settings and their database. Blocks for seconds if a server does not answer."""
    allowed = limits or Limits()
    allowed = replace(allowed, connect_timeout=min(allowed.connect_timeout, reading.settings.db_connect_timeout))
    targets, wrong = read_targets(reading)
    findings = named("Configuration", "settings", [*check_settings(reading), *wrong])
    with ExitStack() as held:
        if _starts_by_itself(reading):
            try:
                targets = [ConnectionTarget("DATABASE_URL", held.enter_context(open_database(reading.settings)))]
            except DatabaseError as exc:
                command = f"ls -la {reading.settings.data_dir}"
                failed = problem(str(exc), "Without it there is no database to look at.", command)
                findings += named("Connection", "start", [failed])
        further = partial(check_replicas, reading.settings)
        return examine(migrator_config(reading.settings), targets, allowed, found_before=findings, further=further)


def _starts_by_itself(reading: Reading) -> bool:
    """Tell whether the settings mean the server that starts by itself, and not only for want of right ones."""
    settings, wrong = reading.settings, {setting_of(found.variable) for found in reading.problems}
    unset = settings.database_url is None and settings.migration_database_url is None
    is_meant = reading.is_complete and not wrong & {"ENVIRONMENT", "DATABASE_URL", "MIGRATION_DATABASE_URL"}
    return settings.is_dev and unset and is_meant
