"""What the doctor says of the settings, and what to type next, without any database."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import pytest
import structlog

from app.core.settings import SettingsReport, read_settings
from app.db import doctor_checks
from app.db.doctor_checks import _uses_dev_server, examine_application, examine_process
from app.db.doctor_checks.settings import check_settings, read_targets
from app.migrator.doctor.finding import CheckLimits, Severity
from tests.conftest import TOKEN
from tests.support.doctor import NO_FILE, NOTE, OK, PROBLEM, WARNING, examined, one

URL = "postgresql://u:hunter2@h/db"
PRODUCTION = {"ENVIRONMENT": "production", "LOCAL_AUTH_TOKEN": TOKEN, "DATABASE_URL": URL, "DB_AUTO_MIGRATE": "false"}


@pytest.fixture(autouse=True)
def no_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("PGPASSWORD", "PGPASSFILE"):
        monkeypatch.delenv(name, raising=False)


def reported(environ: Mapping[str, str], file: Path = NO_FILE) -> SettingsReport:
    return read_settings(environ, file)


def seen(report: SettingsReport, severity: Severity = OK) -> list[str]:
    return [finding.seen for finding in check_settings(report) if finding.severity is severity]


def test_each_setting_that_matters_is_shown_with_its_value_and_secrets_with_their_source_alone() -> None:
    given = {
        "MIGRATION_DATABASE_URL": "postgresql://@h:6000/db",
        "DATABASE_REPLICA_URLS": "postgresql://a/b",
        "DB_AUTO_MIGRATE_PHASE": "expand",
    }
    report = reported(PRODUCTION | given)
    assert seen(report) == [
        "ENVIRONMENT: production (from environment)",
        "DATABASE_URL: h:5432/db, user u, password from the URL, through asyncpg (from environment)",
        "MIGRATION_DATABASE_URL: h:6000/db, user (default), no password, through asyncpg (from environment)",
        "DB_AUTO_MIGRATE: false (from environment)",
        "DB_AUTO_MIGRATE_PHASE: expand (from environment)",
        "DB_CONNECT_TIMEOUT: 30 s (default)",
        "DB_MIGRATE_LOCK_WAIT: 60 s (default)",
        "DB_MIGRATE_LOCK_TIMEOUT: 2 s (default)",
        "DB_MIGRATE_LOCK_RETRIES: 10 (default)",
        "DB_MIGRATE_STATEMENT_TIMEOUT: 60 s (default)",
        "DATABASE_REPLICA_URLS: set (from environment)",
        "LOCAL_AUTH_TOKEN: set (from environment)",
    ]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [("dev", "DATABASE_URL: not set: the PostgreSQL that starts by itself"), ("test", None)],
)
def test_url_that_is_not_set_is_told_with_what_stands_in_for_it(environment: str, expected: str | None) -> None:
    shown = seen(reported({"ENVIRONMENT": environment}))
    assert [text for text in shown if text.startswith("DATABASE_URL")] == ([expected] if expected else [])
    assert "MIGRATION_DATABASE_URL: not set: migrations take DATABASE_URL" in shown


def test_password_is_told_where_it_is_found(tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("h:6000:db:u:hunter2\nh:5432:other:u:hunter2\nlocalhost:6000:here:u:hunter2\n")
    passwords.chmod(0o600)
    for place, is_found in (
        ("h:6000/db", True),
        ("h/other", True),
        ("h/db", False),
        ("/here?port=6000", True),
        ("/here", False),
    ):
        url = f"postgresql://u@{place}{'&' if '?' in place else '?'}passfile={passwords}"
        (shown,) = [text for text in seen(reported(PRODUCTION | {"DATABASE_URL": url})) if text.startswith("DATAB")]
        assert (str(passwords) in shown, "no password" in shown) == (is_found, not is_found), shown


def test_secret_that_comes_from_a_file_names_the_file_and_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    given = {name: value for name, value in PRODUCTION.items() if name != "LOCAL_AUTH_TOKEN"}
    shown = seen(reported({**given, "LOCAL_AUTH_TOKEN_FILE": str(file)}))
    expected = f"from the file {file}, which LOCAL_AUTH_TOKEN_FILE names (from environment)"
    assert shown[-1] == f"LOCAL_AUTH_TOKEN: set ({expected})"


@pytest.mark.parametrize(
    ("given", "severity", "words", "command"),
    [
        ({"LOCAL_AUTH_TOKEN": ""}, NOTE, "LOCAL_AUTH_TOKEN", 'export LOCAL_AUTH_TOKEN="$(openssl rand -hex 32)"'),
        ({"DATABASE_URL": ""}, PROBLEM, "DATABASE_URL", "export DATABASE_URL='"),
        ({"DB_MIGRATE_LOCK_WAIT": "long"}, PROBLEM, "DB_MIGRATE_LOCK_WAIT is 'long'", "printenv DB_MIGRATE_LOCK_WAIT;"),
        ({"DB_CONNECT_TIMOUT": "1"}, WARNING, "DB_CONNECT_TIMOUT is set, and is no", "unset DB_CONNECT_TIMOUT; grep"),
        ({"DB_AUTO_MIGRATE": "true"}, WARNING, "Starting the server migrates to head", "export DB_AUTO_MIGRATE=false"),
        ({"DB_AUTO_MIGRATE": "true", "DB_AUTO_MIGRATE_PHASE": "expand"}, NOTE, "Starting the server applies", ""),
    ],
)
def test_mistake_is_one_finding_with_what_to_type(
    given: Mapping[str, str], severity: Severity, words: str, command: str
) -> None:
    report = reported({**PRODUCTION, **given})
    (found,) = [finding for finding in check_settings(report) if finding.severity is not OK]
    assert found.severity is severity
    assert found.seen.startswith(words)
    assert (found.next_command or "").startswith(command)
    wrong = {problem.variable for problem in report.problems}
    assert not [text for text in seen(report) if text.partition(":")[0] in wrong], "what is wrong has no value"


def test_secret_s_file_that_is_not_there_is_looked_for() -> None:
    given = {name: value for name, value in PRODUCTION.items() if name != "DATABASE_URL"}
    (found,) = [
        finding
        for finding in check_settings(reported({**given, "DATABASE_URL_FILE": "/nonexistent/url"}))
        if finding.severity is PROBLEM
    ]
    assert found.next_command == 'ls -l "$DATABASE_URL_FILE"'


def test_starting_is_no_matter_in_development_or_where_it_is_off() -> None:
    for given in ({"ENVIRONMENT": "dev", "DB_AUTO_MIGRATE": "true"}, {"DB_AUTO_MIGRATE": "false"}):
        report = reported({**PRODUCTION, **given})
        assert [finding for finding in check_settings(report) if "Starting" in finding.seen] == []


def test_file_that_cannot_be_read_in_part_hides_what_may_stand_there(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PGHOST=db\nDB_MIGRATE_LOCK_WAIT=7\n'what is this\n")
    report = reported(PRODUCTION, file)
    shown = seen(report)
    assert "DB_MIGRATE_LOCK_WAIT: 7 s (from .env)" in shown
    assert "DB_AUTO_MIGRATE: false (from environment)" in shown
    assert not [text for text in shown if "(default)" in text]
    (problem,) = [finding for finding in check_settings(report) if finding.severity is PROBLEM]
    assert (problem.next_command or "").startswith("ls -l ")
    assert seen(report, WARNING) == ["PGHOST stands in .env, and is no setting."]


def test_targets_are_the_urls_that_can_be_read_the_one_for_migrations_first() -> None:
    targets, wrong = read_targets(reported({**PRODUCTION, "MIGRATION_DATABASE_URL": "postgresql://m/db"}))
    assert [(target.variable, target.url.location) for target in targets] == [
        ("MIGRATION_DATABASE_URL", "m:5432/db"),
        ("DATABASE_URL", "h:5432/db"),
    ]
    assert wrong == []
    targets, wrong = read_targets(reported({**PRODUCTION, "DATABASE_URL": "mysql://u:hunter2@h/db"}))
    assert (targets, [finding.seen.partition(" ")[0] for finding in wrong]) == ([], ["DATABASE_URL"])


@pytest.mark.parametrize(
    ("given", "uses"),
    [
        ({"ENVIRONMENT": "dev"}, True),
        ({"ENVIRONMENT": "dev", "DB_MIGRATE_LOCK_WAIT": "long"}, True),
        ({"ENVIRONMENT": "dev", "DATABASE_URL": URL}, False),
        ({"ENVIRONMENT": "dev", "MIGRATION_DATABASE_URL": URL}, False),
        ({"ENVIRONMENT": "dev", "DATABASE_URL": URL, "DATABASE_URL_FILE": "/nonexistent"}, False),
        ({"ENVIRONMENT": "prod"}, False),
        ({"ENVIRONMENT": "production"}, False),
    ],
)
def test_server_of_development_is_looked_at_where_it_is_meant(given: Mapping[str, str], uses: bool) -> None:
    assert _uses_dev_server(reported(given)) is uses


def test_server_of_development_is_not_looked_at_where_a_url_may_stand_in_a_line_that_cannot_be_read(
    tmp_path: Path,
) -> None:
    file = tmp_path / ".env"
    file.write_text("'what is this\n")
    assert not _uses_dev_server(reported({"ENVIRONMENT": "dev"}, file))


def test_server_of_development_that_cannot_be_started_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    findings = examined(None, ENVIRONMENT="dev", DATA_DIR=str(tmp_path / "file" / "data"))
    failed = one(findings, "start", PROBLEM)
    assert failed.seen.startswith("PostgreSQL cannot be started")
    assert failed.next_command == f"ls -la {tmp_path / 'file' / 'data'}"


@pytest.mark.parametrize(
    ("limits", "setting", "expected"),
    [
        (None, "2", CheckLimits(connect_timeout=2)),
        (None, "30", CheckLimits()),
        (
            CheckLimits(connect_timeout=0.3, long_transaction=1),
            "2",
            CheckLimits(connect_timeout=0.3, long_transaction=1),
        ),
    ],
)
def test_doctor_waits_no_longer_for_a_connection_than_the_setting_says(
    limits: CheckLimits | None, setting: str, expected: CheckLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[CheckLimits] = []
    monkeypatch.setattr(doctor_checks, "examine", lambda _, __, allowed, **___: used.append(allowed))
    examine_application(reported(PRODUCTION | {"DB_CONNECT_TIMEOUT": setting}), limits)
    assert used == [expected]


def test_what_is_logged_while_the_doctor_works_has_the_format_of_the_settings_and_is_not_in_its_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root = logging.getLogger()
    before = list(root.handlers), root.level
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOG_FORMAT", "json")
    monkeypatch.setattr(doctor_checks, "examine_application", lambda _: structlog.get_logger().warning("late") or [])
    structlog.reset_defaults()
    try:
        assert examine_process() == []
    finally:
        root.handlers, root.level = before
        structlog.reset_defaults()
    written = capsys.readouterr()
    assert (written.out, json.loads(written.err)["event"]) == ("", "late")
