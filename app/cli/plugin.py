"""The commands, and whether this process is one of them."""

import sys
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
    """Work on the data; `litestar database` is the DatabasePlugin's."""

    def on_cli_init(self, cli: "Group") -> None:
        cli.help = _HELP
        # `litestar run` serves in this process, which keeps whatever has been imported.
        if _command() != "run":
            _add_demo(cli)
            _add_users(cli)


class OwnCommand(CLIPlugin):
    """The group of commands that this process is, alone: it reads the settings, and needs none that only serving does.

    The code of the others, and of what serves, is not even imported.
    """

    def __init__(self, name: str) -> None:
        self._add = _OURS[name]

    def on_cli_init(self, cli: "Group") -> None:
        self._add(cli)


def _add_demo(cli: "Group") -> None:
    # Imported here because neither a server nor another command needs it; so below.
    from app.cli.demo import demo  # noqa: PLC0415

    cli.add_command(demo)


def _add_users(cli: "Group") -> None:
    from app.cli.users import users  # noqa: PLC0415

    cli.add_command(users)


def _add_database(cli: "Group") -> None:
    from app.db.settings import load_settings  # noqa: PLC0415
    from app.migrator.cli.group import database_group  # noqa: PLC0415

    cli.add_command(database_group(lambda: load_settings(serving=False)))


_OURS = {"database": _add_database, "db": _add_database, "demo": _add_demo, "users": _add_users}


def own_command() -> str | None:
    """The name of our group of commands where this process is `litestar database …` or another that serves nothing."""
    command = _command()
    return command if command in _OURS else None


def is_command() -> bool:
    """Return whether this process is `litestar …` and serves nothing."""
    return _is_litestar() and _command() != "run"


def _is_litestar() -> bool:
    return "litestar" in Path(sys.argv[0]).parts[-2:]


def _command() -> str | None:
    """The first word after `litestar`.

    Read from the command line, because Litestar makes the application before it looks which command it is to run.
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
