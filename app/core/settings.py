"""Settings: read once from the environment, and then from `.env` in the working directory, into an immutable object."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from app.core.env_file import read_env_file
from app.core.errors import SeveralSettingsError
from app.core.misspelt_settings import misspelt, misspelt_beyond_dev, not_read
from app.core.setting_sources import SECRETS, Source, file_variable, find_value, setting_of
from app.core.setting_values import (
    STRONG,
    algorithms,
    base_url,
    boolean,
    choice,
    integer,
    issuer,
    log_level,
    networks,
    one_line,
    origins,
    seconds,
    urls,
    weakness,
    words,
)
from app.migrator.limit_settings import CONNECT_TIMEOUT, LOCK_RETRIES, LOCK_TIMEOUT, LOCK_WAIT, STATEMENT_TIMEOUT
from app.migrator.phase import Phase
from app.postgres.secret import Secret
from app.postgres.settings_error import SettingsError

# Settings that only a server needs.
NEEDED_TO_SERVE = frozenset({"LOCAL_AUTH_TOKEN", "SECRET_KEY", "OPERATIONS_TOKEN", "OIDC_ISSUER", "OIDC_AUDIENCE"})


class Environment(StrEnum):
    DEV = "dev"
    TEST = "test"
    STAGING = "staging"
    PRODUCTION = "production"


class AuthMode(StrEnum):
    """How people sign in: with one shared token, or with the JWTs of an issuer. Other tokens are good in both modes."""

    LOCAL = "local"
    OIDC = "oidc"


class ApiCompatibility(StrEnum):
    """Another backend whose clients are answered as that one answers them."""

    MISSION_CONTROL = "mission-control"


class LogFormat(StrEnum):
    CONSOLE = "console"
    JSON = "json"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one process. Times are in seconds.

    If `database_url` is None, a PostgreSQL server is started for development. `db_auto_migrate_phase` is the last phase
    that a start applies: with EXPAND, contract revisions are left to an operator. `misspelt` holds the variables that
    nothing reads, each with the setting whose name is almost the same. `not_read` holds the variables in `.env` that
    belong to other programs, which do not read that file.
    """

    environment: Environment = Environment.DEV
    database_url: Secret | None = None
    migration_database_url: Secret | None = None
    database_replica_urls: tuple[Secret, ...] = ()
    db_replica_max_lag: float = 0.5
    db_auto_migrate: bool = False
    db_auto_migrate_phase: Phase = Phase.CONTRACT
    db_connect_timeout: float = CONNECT_TIMEOUT.default
    db_pool_size: int = 20
    db_max_overflow: int = 0
    db_pool_timeout: float = 10.0
    db_pool_recycle: int = 1800
    db_statement_timeout: float = 30.0
    db_migrate_lock_wait: float = LOCK_WAIT.default
    db_migrate_lock_timeout: float = LOCK_TIMEOUT.default
    db_migrate_lock_retries: int = LOCK_RETRIES.default
    db_migrate_statement_timeout: float = STATEMENT_TIMEOUT.default
    activity_retention_months: int | None = None
    webhook_payload_retention_months: int | None = None
    pg_bin_dir: Path | None = None
    max_concurrent_requests: int | None = None
    request_head_timeout: float = 10.0
    request_body_timeout: float = 30.0
    shutdown_timeout: float = 20.0
    public_base_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    cors_allowed_origins: tuple[str, ...] = ()
    api_compatibility: ApiCompatibility | None = None
    hsts_max_age: int = 31_536_000
    auth_mode: AuthMode = AuthMode.LOCAL
    local_auth_token: Secret | None = None
    oidc_issuer: str | None = None
    oidc_audience: tuple[str, ...] = ()
    oidc_algorithms: tuple[str, ...] = ("RS256", "ES256")
    secret_key: Secret | None = None
    operations_token: Secret | None = None
    data_dir: Path = Path(".data")
    log_level: str = "INFO"
    log_format: LogFormat = LogFormat.CONSOLE
    log_requests: bool = False
    tracing: bool = False
    misspelt: tuple[tuple[str, str], ...] = ()
    not_read: tuple[str, ...] = ()

    @property
    def is_dev(self) -> bool:
        return self.environment is Environment.DEV

    @property
    def logs_briefly(self) -> bool:
        """Return whether the log is for people who are not looking for a fault: it then has few and short lines."""
        return self.log_format is LogFormat.CONSOLE and self.log_level != "DEBUG"

    @property
    def request_limit(self) -> int:
        """Return how many requests may be under way: for each connection one that has it, and two that wait."""
        pools = 1 + len(self.database_replica_urls)
        return self.max_concurrent_requests or 3 * pools * (self.db_pool_size + self.db_max_overflow)

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str] | None = None,
        env_file: Path | None = None,
        *,
        serving: bool = True,
        further_checks: Callable[["Settings"], Iterable[SettingsError]] | None = None,
    ) -> "Settings":
        """Return the settings from `environ` (default: the process's) and then `env_file` (default: `./.env`).

        A blank value counts as unset: it falls through to the file, and then to the default. Without `serving`, for
        commands that only need the database, the settings of the sign-in may be missing. Raises SettingsError, which
        names every variable that is wrong, by `further_checks` too, and what it may hold.
        """
        report = read_settings(environ, env_file)
        problems = [*report.problems, *(further_checks(report.settings) if further_checks else ())]
        relevant = [found for found in problems if serving or setting_of(found.variable) not in NEEDED_TO_SERVE]
        if relevant:
            raise relevant[0] if len(relevant) == 1 else SeveralSettingsError(relevant)
        return report.settings


class SettingsReport(NamedTuple):
    """The settings as read, the source of each field's value, and every problem.

    A field whose value is wrong has its default. `secret_files` has the paths of secrets that came from files of their
    own. If `is_complete` is False, a part of `.env` could not be read: a field with its default may be set there.
    """

    settings: Settings
    sources: Mapping[str, Source]
    problems: tuple[SettingsError, ...]
    secret_files: Mapping[str, Path]
    is_complete: bool


def read_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = None) -> SettingsReport:
    """Read the settings as `Settings.load` does, but collect in `problems` what `load` would raise."""
    held = os.environ if environ is None else environ
    known = {*map(str.upper, _PARSERS), *map(file_variable, SECRETS)}
    file = read_env_file(env_file or Path(".env"), held, known)
    sources: dict[str, Source] = dict.fromkeys(_PARSERS, Source.DEFAULT)
    secret_files: dict[str, Path] = {}
    values: dict[str, Any] = {}
    problems = [*file.problems]
    for field, parse in _PARSERS.items():
        try:
            found = find_value(field.upper(), held, file.values)
            sources[field] = found.source
            if found.path is not None:
                secret_files[field] = found.path
            if found.text is not None:
                values[field] = parse(field.upper(), found.text)
        except SettingsError as exc:
            problems.append(exc)
    environment = values.get("environment", Environment.DEV)
    for field in ("db_auto_migrate", "log_requests"):
        values.setdefault(field, environment is Environment.DEV)
    values.setdefault("log_format", LogFormat.CONSOLE if environment is Environment.DEV else LogFormat.JSON)
    given = {**file.values, **held}
    settings = Settings(**values, misspelt=misspelt(given, known), not_read=not_read(file.values, held))
    problems += misspelt_beyond_dev(settings.misspelt, given, is_dev=settings.is_dev)
    if not file.problems:
        problems += _missing(settings, {setting_of(found.variable) for found in problems})
    return SettingsReport(settings, sources, tuple(problems), secret_files, not file.problems)


def _missing(settings: Settings, wrong: Collection[str]) -> Iterator[SettingsError]:
    """Yield an error for each required setting that is missing, except those whose value is wrong."""
    for found in (*_missing_for_oidc(settings), *_missing_outside_dev(settings)):
        if found.variable not in wrong:
            yield found


def _missing_outside_dev(settings: Settings) -> Iterator[SettingsError]:
    if settings.is_dev:
        return
    unset = f"is not set, and ENVIRONMENT is {settings.environment.value}"
    if settings.database_url is None:
        remedy = (
            "Set it to postgresql://user:password@host:5432/database, or DATABASE_URL_FILE to a file that holds that."
        )
        yield SettingsError("DATABASE_URL", unset, remedy)
    secrets = {
        "LOCAL_AUTH_TOKEN": settings.local_auth_token,
        "SECRET_KEY": settings.secret_key,
        "OPERATIONS_TOKEN": settings.operations_token,
    }
    needed = "SECRET_KEY" if settings.auth_mode is AuthMode.OIDC else "LOCAL_AUTH_TOKEN"
    for variable, secret in secrets.items():
        problem = weakness(secret.reveal()) if secret else unset if variable == needed else None
        if problem:
            yield SettingsError(variable, problem, STRONG)


def _missing_for_oidc(settings: Settings) -> Iterator[SettingsError]:
    if settings.auth_mode is not AuthMode.OIDC:
        return
    unset = "is not set, and AUTH_MODE is oidc"
    if settings.oidc_issuer is None:
        yield SettingsError("OIDC_ISSUER", unset, "Set it to the issuer's URL, just as it stands in the tokens' `iss`.")
    if not settings.oidc_audience:
        yield SettingsError("OIDC_AUDIENCE", unset, "Set it to what the tokens for this service have in `aud`.")


def _secret(variable: str, text: str) -> Secret:
    return Secret(one_line(variable, text))


def _secrets(_: str, text: str) -> tuple[Secret, ...]:
    return tuple(Secret(url) for url in urls(text))


def _path(_: str, text: str) -> Path:
    return Path(text)


# One row a setting; the variable's name is the field's in capitals.
_PARSERS: dict[str, Callable[[str, str], Any]] = {
    "environment": choice(Environment),
    "database_url": _secret,
    "migration_database_url": _secret,
    "database_replica_urls": _secrets,
    "db_replica_max_lag": seconds(0.3, 1),
    "db_auto_migrate": boolean,
    "db_auto_migrate_phase": choice(Phase),
    "db_connect_timeout": seconds(CONNECT_TIMEOUT.least, CONNECT_TIMEOUT.most),
    "db_pool_size": integer(1, 1000),
    "db_max_overflow": integer(0, 1000),
    "db_pool_timeout": seconds(0.1, 3600),
    "db_pool_recycle": integer(-1, 86_400),
    "db_statement_timeout": seconds(0.1, 3600),
    "db_migrate_lock_wait": seconds(LOCK_WAIT.least, LOCK_WAIT.most),
    "db_migrate_lock_timeout": seconds(LOCK_TIMEOUT.least, LOCK_TIMEOUT.most),
    "db_migrate_lock_retries": integer(LOCK_RETRIES.least, LOCK_RETRIES.most),
    "db_migrate_statement_timeout": seconds(STATEMENT_TIMEOUT.least, STATEMENT_TIMEOUT.most),
    "activity_retention_months": integer(1, 1200),
    "webhook_payload_retention_months": integer(1, 1200),
    "pg_bin_dir": _path,
    "max_concurrent_requests": integer(1, 100_000),
    "request_head_timeout": seconds(0.1, 3600),
    "request_body_timeout": seconds(0.1, 3600),
    "shutdown_timeout": seconds(0, 3600),
    "public_base_url": base_url,
    "trusted_proxies": networks,
    "cors_allowed_origins": origins,
    "api_compatibility": choice(ApiCompatibility),
    "hsts_max_age": integer(0, 63_072_000),
    "auth_mode": choice(AuthMode),
    "local_auth_token": _secret,
    "oidc_issuer": issuer,
    "oidc_audience": words,
    "oidc_algorithms": algorithms,
    "secret_key": _secret,
    "operations_token": _secret,
    "data_dir": _path,
    "log_level": log_level,
    "log_format": choice(LogFormat),
    "log_requests": boolean,
    "tracing": boolean,
}
