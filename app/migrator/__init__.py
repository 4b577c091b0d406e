"""The migration engine: a library for any project that uses Alembic on PostgreSQL.

Exported names are imported on first use: a server that starts needs few of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..postgres.errors import BackupError as BackupError
    from ..postgres.errors import DatabaseError as DatabaseError
    from ..postgres.errors import DatabaseUnreachableError as DatabaseUnreachableError
    from ..postgres.errors import MigrationFailedError as MigrationFailedError
    from ..postgres.settings_error import SettingsError as SettingsError
    from .backfill.definition import Backfill as Backfill
    from .config import MigratorConfig as MigratorConfig
    from .execution.alembic_env import run_environment as run_environment
    from .execution.commands import downgrade as downgrade
    from .execution.commands import plan as plan
    from .execution.commands import upgrade as upgrade
    from .execution.startup import upgrade_at_start as upgrade_at_start
    from .hints import Hints as Hints
    from .litestar_plugin import MigratorPlugin as MigratorPlugin
    from .phase import Phase as Phase
    from .revisions.alembic_config import read_config as read_config
    from .status import read_status as read_status

_MODULES = {
    "Backfill": ".backfill.definition",
    "BackupError": "..postgres.errors",
    "DatabaseError": "..postgres.errors",
    "DatabaseUnreachableError": "..postgres.errors",
    "Hints": ".hints",
    "MigrationFailedError": "..postgres.errors",
    "MigratorConfig": ".config",
    "MigratorPlugin": ".litestar_plugin",
    "Phase": ".phase",
    "SettingsError": "..postgres.settings_error",
    "downgrade": ".execution.commands",
    "plan": ".execution.commands",
    "read_config": ".revisions.alembic_config",
    "read_status": ".status",
    "run_environment": ".execution.alembic_env",
    "upgrade": ".execution.commands",
    "upgrade_at_start": ".execution.startup",
}
# Without what only a Litestar project can import.
__all__ = tuple(name for name in _MODULES if name != "MigratorPlugin")


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever has that name
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name], __name__), name)
