"""The engine's functions as tests call them: with the application's settings in place of the engine's configuration."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from app.core.settings import Settings
from app.db.migrator_config import migrator_config
from app.migrator.backfill import runs as backfill_runs
from app.migrator.backfill import status as backfill_status
from app.migrator.backfill.status import BackfillUnfinishedError
from app.migrator.backfill.throttle import Throttle
from app.migrator.backup import backup as backup_module
from app.migrator.backup import restore as restore_module
from app.migrator.config import MigratorConfig
from app.migrator.drift import report, schema_sql
from app.migrator.execution import commands
from app.migrator.lint import linter
from app.migrator.partitions import maintenance
from app.migrator.revisions import alembic_config as alembic_config_module
from app.migrator.revisions import loading
from app.migrator.squash import squash as squash_module
from app.migrator.status import read_status as read_status_of

P = ParamSpec("P")
T = TypeVar("T")


def _with_settings(function: Callable[Concatenate[MigratorConfig, P], T]) -> Callable[Concatenate[Settings, P], T]:
    def call(settings: Settings, /, *arguments: P.args, **options: P.kwargs) -> T:
        return function(migrator_config(settings), *arguments, **options)

    call.__name__ = function.__name__
    return call


upgrade = _with_settings(commands.upgrade)
downgrade = _with_settings(commands.downgrade)
plan = _with_settings(commands.plan)
preview_downgrade = _with_settings(commands.preview_downgrade)
read_schema_sql = _with_settings(schema_sql.read_schema_sql)
load_revisions = _with_settings(loading.load_revisions)
alembic_config = _with_settings(alembic_config_module.alembic_config)
read_status = _with_settings(read_status_of)
read_drift = _with_settings(report.read_drift)
lint = _with_settings(linter.lint)
read_backfills = _with_settings(backfill_status.read_backfills)
run_backfills = _with_settings(backfill_runs.run)
maintain = _with_settings(maintenance.maintain)
preview_maintenance = _with_settings(maintenance.preview_maintenance)
backup = _with_settings(backup_module.backup)
squash = _with_settings(squash_module.squash)
restore = _with_settings(restore_module.restore)
read_target = _with_settings(restore_module.read_target)


def upgrade_with_backfills(settings: Settings, revision: str = "head") -> None:
    """Upgrade, and run the backfills where a revision requires one that is not finished."""
    try:
        upgrade(settings, revision)
    except BackfillUnfinishedError:
        run_backfills(settings, None, Throttle(rate=0), lambda progress: None)
        upgrade(settings, revision)
