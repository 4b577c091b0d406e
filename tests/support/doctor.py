"""Findings of the doctor."""

from pathlib import Path

import msgspec

from app.core.settings import SettingsReport, read_settings
from app.db.doctor_checks import examine_application as examine
from app.migrator.doctor.checks import GROUPS
from app.migrator.doctor.finding import CheckLimits, Finding, Severity
from tests.conftest import TOKEN

OK, NOTE, WARNING, PROBLEM = Severity


NO_FILE = Path("/nonexistent/.env")


def reading_of(url: str | None, **environ: str) -> SettingsReport:
    given = {"ENVIRONMENT": "test", "LOCAL_AUTH_TOKEN": TOKEN, "DB_CONNECT_TIMEOUT": "2", **environ}
    return read_settings(given | ({"DATABASE_URL": url} if url else {}), NO_FILE)


def examined(url: str | None, limits: CheckLimits | None = None, **environ: str) -> list[Finding]:
    """The findings, of which the rules are checked that hold for all."""
    findings = examine(reading_of(url, **environ), limits)
    assert "hunter2" not in msgspec.json.encode(findings).decode()
    for finding in findings:
        assert finding.group in GROUPS
        assert finding.check
        assert finding.seen
        if finding.severity in {WARNING, PROBLEM}:
            assert finding.why, finding
            assert finding.next_command, finding
    return findings


def one(findings: list[Finding], check: str, severity: Severity) -> Finding:
    """The one finding of the check that is as bad as this."""
    found = [finding for finding in findings if finding.check == check and finding.severity is severity]
    assert len(found) == 1, [finding for finding in findings if finding.check == check]
    return found[0]


def worse_than_notes(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity in {WARNING, PROBLEM}]
