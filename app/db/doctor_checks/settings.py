"""Findings about the settings that matter for migrations: values, sources and mistakes."""

import shlex
from collections.abc import Iterator

from app.core.setting_sources import SECRETS, Source, file_variable, setting_of
from app.core.settings import NEEDED_TO_SERVE, Settings, SettingsReport
from app.migrator.doctor.finding import Finding, note, ok, problem, warning
from app.migrator.doctor.target import ConnectionTarget
from app.migrator.phase import Phase
from app.postgres.passwords import find_password
from app.postgres.secret import Secret
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import DatabaseURL, normalize_database_url
from app.postgres.url.drivers import DEFAULT_PORT
from app.postgres.url.syntax import EXAMPLE

_SHOWN = (
    "environment",
    "database_url",
    "migration_database_url",
    "db_auto_migrate",
    "db_auto_migrate_phase",
    "db_connect_timeout",
    "db_migrate_lock_wait",
    "db_migrate_lock_timeout",
    "db_migrate_lock_retries",
    "db_migrate_statement_timeout",
)
# Of these only the source is shown.
_OTHER_SECRETS = ("database_replica_urls", "local_auth_token", "secret_key", "operations_token")
_URLS = ("migration_database_url", "database_url")


def check_settings(report: SettingsReport) -> Iterator[Finding]:
    """Yield a finding for each setting that matters for migrations, and one for each that is wrong."""
    wrong = {setting_of(found.variable) for found in report.problems}
    for field in (*_SHOWN, *_OTHER_SECRETS):
        # A line of .env that could not be read may set a setting that seems to have its default.
        is_known = report.is_complete or report.sources[field] is not Source.DEFAULT
        if is_known and field.upper() not in wrong:
            yield from _setting(report, field)
    for found in report.problems:
        yield _wrong(found)
    for name, meant in report.settings.misspelt:
        if name not in wrong:
            yield warning(
                f"{name} is set, and is no setting. Is {meant} meant?",
                f"Nothing reads it: {meant} is as shown above, or at its default.",
                _where_it_is(name),
            )
    for name in report.settings.not_read:
        yield warning(
            f"{name} stands in .env, and is no setting.",
            "It is another program's, or libpq's, which reads the environment alone.",
            _where_it_is(name),
        )
    yield from _automatic(report)


def read_targets(report: SettingsReport) -> tuple[list[ConnectionTarget], list[Finding]]:
    """Return the databases of the settings, the one for migrations first; and findings about wrong URLs."""
    found: list[ConnectionTarget] = []
    findings: list[Finding] = []
    for field in _URLS:
        held: Secret | None = getattr(report.settings, field)
        if held is None:
            continue
        try:
            found.append(ConnectionTarget(field.upper(), normalize_database_url(held.reveal(), field.upper())))
        except SettingsError as exc:
            findings.append(_wrong(exc))
    return found, findings


def _setting(report: SettingsReport, field: str) -> Iterator[Finding]:
    value = getattr(report.settings, field)
    if field in _OTHER_SECRETS:
        if value:
            yield ok(f"{field.upper()}: set ({_source(report, field)})")
        return
    if value is None:
        shown = "not set"
        if field == "database_url":
            # Outside of development it is wrong, and not shown.
            shown += ": the PostgreSQL that starts by itself"
        if field == "migration_database_url":
            shown += ": migrations take DATABASE_URL"
    else:
        shown = f"{_show(field.upper(), value)} ({_source(report, field)})"
    yield ok(f"{field.upper()}: {shown}")


def _source(report: SettingsReport, field: str) -> str:
    source = report.sources[field]
    if path := report.secret_files.get(field):
        return f"from the file {path}, which {file_variable(field.upper())} names (from {source})"
    return "default" if source is Source.DEFAULT else f"from {source}"


def _show(variable: str, value: object) -> str:
    if isinstance(value, Secret):
        try:
            url = normalize_database_url(value.reveal(), variable)
        except SettingsError:
            return "cannot be read"
        return f"{url.location}, user {url.user or '(default)'}, {_password(url)}, through {url.driver}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g} s"
    return str(value)


def _password(url: DatabaseURL) -> str:
    if url.password:
        return "password from the URL"
    hosts, ports = [host.name for host in url.hosts], [host.port or DEFAULT_PORT for host in url.hosts]
    place = {"host": hosts, "port": ports or url.default_port, "database": url.database, "user": url.user}
    found = find_password({**place, "passfile": url.parameters.get("passfile")})
    return f"password from {found.source}" if found.password else "no password"


def _wrong(found: SettingsError) -> Finding:
    if setting_of(found.variable) in NEEDED_TO_SERVE:
        return note(
            f"{found.variable} {found.problem}.",
            f"The server does not start without it; what works on the database alone does. {found.remedy}",
            _what_to_type(found),
        )
    return problem(
        f"{found.variable} {found.problem}.",
        f"Every other command and the server end with exit code 2. {found.remedy}",
        _what_to_type(found),
    )


def _what_to_type(found: SettingsError) -> str:
    """Return a command that does not print a secret on the screen."""
    variable = found.variable
    if not variable.replace("_", "").isalnum():
        return f"ls -l {shlex.quote(variable.partition(', line ')[0])}"
    if variable != setting_of(variable):
        return f'ls -l "${variable}"'
    if variable.lower() not in Settings.__struct_fields__:
        return _where_it_is(variable)
    if variable in {"LOCAL_AUTH_TOKEN", "SECRET_KEY", "OPERATIONS_TOKEN"}:
        return f'export {variable}="$(openssl rand -hex 32)"'
    if variable in SECRETS:
        return f"export {variable}='{EXAMPLE}'"
    return f"printenv {variable}; grep -n ^{variable} .env"


def _where_it_is(name: str) -> str:
    return f"unset {name}; grep -now {name} .env"


def _automatic(report: SettingsReport) -> Iterator[Finding]:
    settings = report.settings
    if settings.is_dev or not settings.db_auto_migrate:
        return
    if settings.db_auto_migrate_phase is Phase.CONTRACT:
        yield warning(
            f"Starting the server migrates to head, contract revisions too, and ENVIRONMENT is {settings.environment}.",
            "A revision that fails makes every replica start over and over, and after a contract the previous release"
            " no longer works. Better: DB_AUTO_MIGRATE=false and one migration job; or DB_AUTO_MIGRATE_PHASE=expand.",
            "export DB_AUTO_MIGRATE=false",
        )
    else:
        yield note("Starting the server applies expand revisions; contract revisions are left to somebody.")
