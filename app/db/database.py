"""The database of the settings, and the application's engine for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.settings import Settings
from app.core.tracing import tracing_of
from app.db.statement_times import measure_statements
from app.postgres.engine import PoolLimits, create_pooled_engine
from app.postgres.url.database_url import DatabaseURL, normalize_database_url


@contextmanager
def open_database(settings: Settings) -> Iterator[DatabaseURL]:
    """Yield the URL of the database of the settings.

    Without DATABASE_URL, which Settings allows in dev only, a PostgreSQL server for development is started; it runs at
    least as long as this context. Blocks while it starts: call it in a thread from asynchronous code. Raises
    SettingsError and DevServerError.
    """
    if settings.database_url is not None:
        yield normalize_database_url(settings.database_url.reveal())
        return
    # Imported here because the production image does not have the wheel that it needs.
    from app.postgres.dev_server.server import acquire  # noqa: PLC0415

    with acquire(settings.data_dir) as server:
        yield normalize_database_url(server.url)


@contextmanager
def open_migration_database(settings: Settings) -> Iterator[DatabaseURL]:
    """Yield the URL for schema changes: MIGRATION_DATABASE_URL if it is set, otherwise that of `open_database`."""
    if settings.migration_database_url is not None:
        yield normalize_database_url(settings.migration_database_url.reveal(), "MIGRATION_DATABASE_URL")
        return
    with open_database(settings) as url:
        yield url


def create_engine(settings: Settings, url: DatabaseURL, wait: float | None = None) -> AsyncEngine:
    """Return the application's pooled engine.

    `wait` is the time in seconds to wait for a connection in use by others, if it differs from DB_POOL_TIMEOUT.
    """
    limits = PoolLimits(
        size=settings.db_pool_size,
        overflow=settings.db_max_overflow,
        connect_timeout=settings.db_pool_timeout,
        wait=settings.db_pool_timeout if wait is None else wait,
        recycle=settings.db_pool_recycle,
        statement_timeout=settings.db_statement_timeout,
    )
    engine = create_pooled_engine(url, limits, "plimsoll")
    measure_statements(engine)
    if (tracing := tracing_of(settings)) is not None:
        # Imported here because OpenTelemetry may not be installed.
        from app.db.statement_spans import StatementSpans  # noqa: PLC0415

        StatementSpans(tracing, url).observe(engine)
    return engine
