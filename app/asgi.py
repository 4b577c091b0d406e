"""The application, as servers and the command line find it: settings in, Litestar out."""

import gc
import sys
from functools import cache

from litestar import Litestar

from app.cli.plugin import Commands, OwnCommand, is_command, own_command
from app.core.config import Settings
from app.migrator.cli.closed_pipe import end_at_closed_pipe
from app.postgres.settings_error import SettingsError

# New objects between two collections. After Python's 700, a list of 50 tasks alone is one or more; after many more than
# this, what requests leave in cycles is megabytes.
_COLLECT_AFTER = 10_000


def create_app(settings: Settings | None = None) -> Litestar:
    """A new application; without `settings`, this process's. A wrong setting ends the process (exit code 2).

    Under `litestar database …` and `litestar users …` that one serves nothing and reads no settings: the command does,
    and says what is wrong.
    """
    if settings is not None:
        return _serving(settings)
    return _of_this_process()


# Once: `litestar run` makes it to look for commands, and its server then asks for it again.
@cache
def _of_this_process() -> Litestar:
    gc.set_threshold(_COLLECT_AFTER)
    # What is loaded stays loaded: collections need not go through it, now that more is loaded or for each few requests.
    gc.freeze()
    if is_command():
        end_at_closed_pipe()
    if (command := own_command()) is not None:
        return Litestar(plugins=[OwnCommand(command)], openapi_config=None, logging_config=None)
    app = _serving(None)
    app.on_startup.append(gc.freeze)
    return app


def _serving(settings: Settings | None) -> Litestar:
    # Imported here because it is most of the code, and a command of ours needs none of it.
    from app.api.application import build  # noqa: PLC0415
    from app.db.settings import load_settings  # noqa: PLC0415
    from app.server.plugin import RunCommand  # noqa: PLC0415

    try:
        settings = settings or load_settings()
        return build(settings, Commands(), RunCommand(settings))
    except SettingsError as exc:
        sys.stderr.write(f"Error: {exc}\n")
        sys.exit(exc.exit_code)
