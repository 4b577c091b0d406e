"""The entry point for servers and the command line: `create_app`."""

import gc
import sys
from functools import cache

from litestar import Litestar

from app.cli.plugin import CommandGroup, Commands, command_group, is_command
from app.core.settings import Settings
from app.migrator.closed_pipe import end_at_closed_pipe
from app.postgres.settings_error import SettingsError

# New objects between two garbage collections. With Python's 700, a list of 50 tasks causes at least one; with many more
# than this, the cycles that requests leave behind take megabytes.
_COLLECT_AFTER = 10_000


def create_app(settings: Settings | None = None) -> Litestar:
    """Return a new application; without `settings`, the one of this process. A wrong setting ends it with exit code 2.

    Under one of our commands, such as `litestar database …`, the application serves nothing and reads no settings: the
    command reads them, and reports what is wrong.
    """
    if settings is not None:
        return _serving(settings)
    return _of_this_process()


# Cached because `litestar run` creates it to find commands, and its server then asks for it again.
@cache
def _of_this_process() -> Litestar:
    gc.set_threshold(_COLLECT_AFTER)
    # Loaded modules stay: later collections need not visit them.
    gc.freeze()
    if is_command():
        end_at_closed_pipe()
    if (command := command_group()) is not None:
        return Litestar(plugins=[CommandGroup(command)], openapi_config=None, logging_config=None)
    app = _serving(None)
    app.on_startup.append(gc.freeze)
    return app


def _serving(settings: Settings | None) -> Litestar:
    # Imported here because it is most of the code, and our commands need none of it.
    from app.api.application import build  # noqa: PLC0415
    from app.db.checked_settings import load_settings  # noqa: PLC0415
    from app.server.plugin import RunCommand  # noqa: PLC0415

    try:
        settings = settings or load_settings()
        return build(settings, Commands(), RunCommand(settings))
    except SettingsError as exc:
        sys.stderr.write(f"Error: {exc}\n")
        sys.exit(exc.exit_code)
