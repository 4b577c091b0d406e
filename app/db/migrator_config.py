"""The migration engine's configuration for this application."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app import __version__
from app.core.settings import Settings
from app.core.tracing import tracing_of
from app.db.checked_settings import load_settings
from app.db.database import open_migration_database
from app.migrator.config import MigratorConfig
from app.migrator.hints import Hints
from app.migrator.spans import Attributes, OpenSpan, no_span
from app.models import metadata
from app.postgres.settings_error import SettingsError

if TYPE_CHECKING:
    from app.migrator.doctor.finding import Finding

ROOT = Path(__file__).resolve().parents[2]


def migrator_config(settings: Settings) -> MigratorConfig:
    """Return the engine's configuration for the database that the settings mean.

    Raises SettingsError where the application is installed without its revisions.
    """
    if not (ROOT / "alembic.ini").is_file():
        raise SettingsError(
            str(ROOT / "alembic.ini"), "is not there", "Run the application from a checkout or from the image."
        )
    retention = {
        "activity_events": settings.activity_retention_months,
        "board_webhook_payloads": settings.webhook_payload_retention_months,
    }
    return MigratorConfig(
        metadata=metadata,
        alembic_ini=ROOT / "alembic.ini",
        database=partial(open_migration_database, settings),
        starts_database=settings.database_url is None and settings.migration_database_url is None,
        connect_timeout=settings.db_connect_timeout,
        statement_timeout=settings.db_migrate_statement_timeout,
        lock_wait=settings.db_migrate_lock_wait,
        lock_timeout=settings.db_migrate_lock_timeout,
        lock_retries=settings.db_migrate_lock_retries,
        allows_data_loss=settings.is_dev,
        retention={table: months for table, months in retention.items() if months is not None},
        connections_per_process=settings.db_pool_size + settings.db_max_overflow,
        pg_bin_dir=settings.pg_bin_dir,
        release=__version__,
        application="plimsoll",
        command="litestar database",
        has_alembics=True,
        models_are_complete=True,
        open_span=_span_opener(settings),
        hints=Hints(
            stop_automatic="DB_AUTO_MIGRATE=false",
            expand_only="DB_AUTO_MIGRATE_PHASE=expand would leave it to an operator",
            writing_revisions="migrations/docs/writing-revisions.md",
            drift_breaks="a trigger that does not fire, for instance, leaves the counts of tasks wrong",
        ),
    )


def _span_opener(settings: Settings) -> OpenSpan:
    tracing = tracing_of(settings)
    if tracing is None:
        return no_span

    @contextmanager
    def open_span(name: str, attributes: Attributes) -> Iterator[Attributes]:
        with tracing.span(name, _prefixed(attributes)) as span:
            known: Attributes = {}
            yield known
            span.set_attributes(_prefixed(known))

    return open_span


def _prefixed(attributes: Attributes) -> Attributes:
    return {f"plimsoll.{name}": value for name, value in attributes.items()}


def load_migrator_config() -> MigratorConfig:
    """Return the engine's configuration for this process's settings. Raises SettingsError."""
    return migrator_config(load_settings(serving=False))


def examine() -> "list[Finding]":
    """Return what `litestar database doctor` finds about this process's settings and database."""
    # Imported here because no other command needs it.
    from app.db.doctor_checks import examine_process  # noqa: PLC0415

    return examine_process()
