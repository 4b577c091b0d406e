"""The plugins that add our commands, and the check whether this process runs one of them."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from litestar.plugins import CLIPlugin

if TYPE_CHECKING:
    from click import Group

_HELP = """Plimsoll: a backend for teams of people and AI agents.

`litestar run` serves it, and starts a database of its own where DATABASE_URL names none (in ENVIRONMENT=dev, which is
the default). `litestar demo seed` gives you something to look at. `litestar COMMAND --help` has the rest;
migrations/docs/settings.md has the settings.
"""


class Commands(CLIPlugin):
    """A plugin with `litestar demo`, `import` and `users`. The DatabasePlugin has `litestar database`."""

    def on_cli_init(self, cli: "Group") -> None:
        cli.help = _HELP
        # `litestar run` serves in this process, and would keep the imported modules in memory.
        if _command() != "run":
            _add_demo(cli)
            _add_import(cli)
            _add_users(cli)


class CommandGroup(CLIPlugin):
    """A plugin with the one command group that this process runs. It needs no setting that only a server needs.

    Neither the code of the other groups nor that of the server is imported.
    """

    def __init__(self, name: str) -> None:
        self._add = _GROUPS[name]

    def on_cli_init(self, cli: "Group") -> None:
        self._add(cli)


def _add_demo(cli: "Group") -> None:
    # Imported here, as below, because neither a server nor another command needs it.
    if find_spec("app.cli.demo") is None:
        from app.cli.no_demo import no_demo  # noqa: PLC0415

        cli.add_command(no_demo)
        return
    from app.cli.demo.commands import demo  # noqa: PLC0415

    cli.add_command(demo)


def _add_import(cli: "Group") -> None:
    from app.cli.importing import importing  # noqa: PLC0415

    cli.add_command(importing)


def _add_users(cli: "Group") -> None:
    from app.cli.users import users  # noqa: PLC0415

    cli.add_command(users)


def _add_database(cli: "Group") -> None:
    from app.db.migrator_config import examine, load_migrator_config  # noqa: PLC0415
    from app.migrator.cli.litestar_group import database_group  # noqa: PLC0415

    cli.add_command(database_group(load_migrator_config, examine))


_GROUPS = {
    "database": _add_database,
    "db": _add_database,
    "demo": _add_demo,
    "import": _add_import,
    "users": _add_users,
}


def command_group() -> str | None:
    """Return the name of the group if this process runs one of our commands, such as `litestar database …`."""
    command = _command()
    return command if command in _GROUPS else None


def is_command() -> bool:
    """Return whether this process is `litestar …`, but not `litestar run`."""
    return _is_litestar() and _command() != "run"


def _is_litestar() -> bool:
    return "litestar" in Path(sys.argv[0]).parts[-2:]


def _command() -> str | None:
    """Return the first word after `litestar`.

    It is read from the command line because Litestar creates the application before it looks up the command.
    """
    if not _is_litestar():
        return None
    from click import Context, UsageError  # noqa: PLC0415
    from litestar.cli import litestar_group  # noqa: PLC0415

    try:
        _, rest, _ = litestar_group.make_parser(Context(litestar_group)).parse_args(sys.argv[1:])
    except UsageError:
        return None
    return rest[0] if rest else None
