"""The application's part of `litestar database doctor`: its settings and replicas, beside the engine's own checks."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from app.core.logging import configure_logging
from app.core.setting_sources import setting_of
from app.core.settings import Settings, SettingsReport, read_settings
from app.db.database import open_database
from app.db.doctor_checks.replicas import check_replicas
from app.db.doctor_checks.settings import check_settings, read_targets
from app.db.migrator_config import migrator_config
from app.migrator.doctor.checks import examine
from app.migrator.doctor.finding import CheckLimits, Finding, problem
from app.migrator.doctor.runner import label_findings
from app.migrator.doctor.target import ConnectionTarget
from app.postgres.errors import DatabaseError


def examine_process() -> list[Finding]:
    """Return every finding about this process's settings and database."""
    report = read_settings()
    configure_logging(report.settings)
    return examine_application(report)


def examine_application(report: SettingsReport, limits: CheckLimits | None = None) -> list[Finding]:
    """Return every finding about these settings and their database. Blocks for seconds if a server does not answer."""
    allowed = limits or CheckLimits()
    allowed = replace(allowed, connect_timeout=min(allowed.connect_timeout, report.settings.db_connect_timeout))
    targets, wrong = read_targets(report)
    findings = label_findings("Configuration", "settings", [*check_settings(report), *wrong])
    with ExitStack() as stack:
        if _uses_dev_server(report):
            try:
                targets = [ConnectionTarget("DATABASE_URL", stack.enter_context(open_database(report.settings)))]
            except DatabaseError as exc:
                command = f"ls -la {report.settings.data_dir}"
                failed = problem(str(exc), "Without it there is no database to look at.", command)
                findings += label_findings("Connection", "start", [failed])
        further = partial(check_replicas, report.settings)
        return examine(migrator_config(report.settings), targets, allowed, found_before=findings, further=further)


def examine_database(settings: Settings, limits: CheckLimits) -> list[Finding]:
    """Return the findings about the database of these settings, which a running process has accepted. May block."""
    report = SettingsReport(settings, {}, (), {}, is_complete=True)
    findings: list[Finding] = []
    with ExitStack() as stack:
        if _uses_dev_server(report):
            targets = [ConnectionTarget("DATABASE_URL", stack.enter_context(open_database(settings)))]
        else:
            targets, findings = read_targets(report)
        further = partial(check_replicas, settings)
        return examine(migrator_config(settings), targets, limits, found_before=findings, further=further)


def _uses_dev_server(report: SettingsReport) -> bool:
    """Return whether the settings mean the development server, and not only because a URL is wrong."""
    settings, wrong = report.settings, {setting_of(found.variable) for found in report.problems}
    unset = settings.database_url is None and settings.migration_database_url is None
    # Outside of development a URL that is not set is wrong, too.
    is_meant = report.is_complete and not wrong & {"ENVIRONMENT", "DATABASE_URL", "MIGRATION_DATABASE_URL"}
    return unset and is_meant
