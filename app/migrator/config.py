"""The configuration that a project hands to the engine."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from math import nan
from pathlib import Path
from typing import Any, Literal, Self

from alembic import context
from sqlalchemy import MetaData

from ..postgres.settings_error import SettingsError
from ..postgres.url.database_url import DatabaseURL, normalize_database_url
from .command_names import PREFIX, set_command_prefix
from .engine_tables import VERSION_TABLE, set_version_table
from .hints import Hints
from .limit_settings import (
    CONNECT_TIMEOUT,
    LOCK_RETRIES,
    LOCK_TIMEOUT,
    LOCK_WAIT,
    STATEMENT_TIMEOUT,
    LimitSetting,
)
from .phase import Phase
from .spans import OpenSpan, no_span

# No driver, which is psycopg2 for SQLAlchemy, or one that only the application uses.
_OTHER_DRIVER = re.compile(r"^postgres(?:ql)?(?:\+(?!asyncpg\b|psycopg\b|psycopg_async\b)\w+)?(?=://)")
# What `alembic init` writes for somebody to replace.
_PLACEHOLDER = "driver://"
# The fields that environment variables set.
_NUMBERS: dict[str, tuple[str, LimitSetting[int] | LimitSetting[float]]] = {
    "DB_CONNECT_TIMEOUT": ("connect_timeout", CONNECT_TIMEOUT),
    "DB_MIGRATE_STATEMENT_TIMEOUT": ("statement_timeout", STATEMENT_TIMEOUT),
    "DB_MIGRATE_LOCK_WAIT": ("lock_wait", LOCK_WAIT),
    "DB_MIGRATE_LOCK_TIMEOUT": ("lock_timeout", LOCK_TIMEOUT),
    "DB_MIGRATE_LOCK_RETRIES": ("lock_retries", LOCK_RETRIES),
}


@dataclass(frozen=True, kw_only=True)
class MigratorConfig:
    """The models, the revisions, the database and the limits; times are seconds.

    `database` is the URL that schema changes take, or a context manager that yields it, and may start a server for as
    long as it lasts: `starts_database` then says that nobody has named that server, so that what only looks does
    without it. Without `database` only what connects to nothing works. `database_variable` is what messages call the
    URL. `alembic_ini` is Alembic's configuration, a `pyproject.toml` too, which `env.py` is told by Alembic.

    `lock_timeout` is the longest that a statement waits for a table, `lock_retries` how often a revision is tried
    again after that, `lock_wait` how long each connection of a command waits in all for others that migrate.
    `default_phase` is the phase of a revision that declares none; without it such a revision is refused. With
    `allows_data_loss` a downgrade may drop what holds rows without being told so. `retention` has the number of
    months that a table partitioned by month is kept. `release` is recorded beside each revision. `application` is
    the name by which the server shows sessions. `command` is what people type before the name of one of the
    engine's commands; `has_alembics` says that Alembic's own are called in the same way. `version_table` and
    `version_table_schema` are the name and the schema of Alembic's table in this project. `hints` are the project's
    own words for some messages. `open_span` is called for each upgrade, revision, backfill and batch, to trace it.

    `models_are_complete` says that the models have everything, triggers and policies included, so that what else there
    is counts as drift. Otherwise what SQL of a revision has made, and no model knows, is left alone. `include_name` and
    `include_object` are those of `context.configure`, and are asked about what differs; its `render_item` and
    `process_revision_directives` shape generated revisions.
    """

    metadata: MetaData
    database: str | Callable[[], AbstractContextManager[DatabaseURL]] | None = field(default=None, repr=False)
    database_variable: str = "DATABASE_URL"
    starts_database: bool = False
    alembic_ini: Path | None = None
    connect_timeout: float = CONNECT_TIMEOUT.default
    statement_timeout: float = STATEMENT_TIMEOUT.default
    lock_wait: float = LOCK_WAIT.default
    lock_timeout: float = LOCK_TIMEOUT.default
    lock_retries: int = LOCK_RETRIES.default
    default_phase: Phase | None = None
    allows_data_loss: bool = False
    connections_per_process: int | None = None
    retention: Mapping[str, int] = field(default_factory=dict)
    pg_bin_dir: Path | None = None
    release: str = ""
    application: str = "migrator"
    command: str = PREFIX
    has_alembics: bool = False
    version_table: str = VERSION_TABLE
    version_table_schema: str | None = None
    hints: Hints = field(default_factory=Hints)
    open_span: OpenSpan = no_span
    models_are_complete: bool = False
    include_name: Callable[..., bool] | None = None
    include_object: Callable[..., bool] | None = None
    render_item: Callable[..., str | Literal[False]] | None = None
    process_revision_directives: Callable[..., None] | None = None

    def __post_init__(self) -> None:
        # A process is one program, whose messages all name its commands alike.
        set_command_prefix(self.command, has_alembics=self.has_alembics)
        set_version_table(self.version_table, self.version_table_schema)

    @classmethod
    def from_environment(cls, metadata: MetaData, **fields: Any) -> Self:  # noqa: ANN401 - the fields above
        """Return a configuration from the environment's variables; `fields` take precedence.

        MIGRATION_DATABASE_URL, or else DATABASE_URL, is the database; where neither is set and Alembic runs `env.py`,
        it is `sqlalchemy.url` of Alembic's configuration. Raises SettingsError.
        """
        given: dict[str, Any] = _named_database()
        given |= {name: _number(variable, limit) for variable, (name, limit) in _NUMBERS.items()}
        if directory := os.environ.get("PG_BIN_DIR"):
            given["pg_bin_dir"] = Path(directory)
        known = {name: value for name, value in given.items() if value is not None} | fields
        return cls(metadata=metadata, **known)

    @property
    def names_database(self) -> bool:
        """Return whether somebody has said which database is meant."""
        return self.database is not None and not self.starts_database

    @contextmanager
    def open_database(self) -> Iterator[DatabaseURL]:
        """Yield the URL of the database. Raises SettingsError, and what `database` raises."""
        if self.database is None:
            raise SettingsError(
                self.database_variable, "is not set", "Set it to postgresql://user:password@host:5432/database."
            )
        if isinstance(self.database, str):
            named = _OTHER_DRIVER.sub(_synchronous_driver(), self.database)
            yield normalize_database_url(named, self.database_variable)
            return
        with self.database() as url:
            yield url


def _named_database() -> dict[str, str]:
    """Return the fields that say which database is meant; none where nobody says it."""
    for variable in ("MIGRATION_DATABASE_URL", "DATABASE_URL"):
        if url := os.environ.get(variable):
            return {"database": url, "database_variable": variable}
    # Alembic lends its modules this attribute while it runs env.py.
    alembic = getattr(context, "config", None)
    url = alembic.file_config.get(alembic.config_ini_section, "sqlalchemy.url", fallback="") if alembic else ""
    if not url or url.startswith(_PLACEHOLDER):
        return {}
    return {"database": url, "database_variable": "sqlalchemy.url"}


def _synchronous_driver() -> str:
    """Return the start of a URL for a project that names a synchronous driver, or none."""
    try:
        # Imported, because without libpq it is there and cannot be used.
        import_module("psycopg")
    except ImportError:
        return "postgresql"
    return "postgresql+psycopg"


def _number(variable: str, limit: LimitSetting[int] | LimitSetting[float]) -> float | None:
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        value = type(limit.default)(text)
    except ValueError:
        value = nan
    if not limit.least <= value <= limit.most:
        raise SettingsError(variable, f"is {text!r}", f"Set it to a number from {limit.least:g} to {limit.most:g}.")
    return value
