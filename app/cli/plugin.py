"""The commands, and whether this process is one of them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from litestar.plugins import CLIPlugin

if TYPE_CHECKING:
    from click import Group

_OURS = {"database", "db", "users"}


class Commands(CLIPlugin):
    """Work on the data; `litestar database` is the DatabasePlugin's."""

    def on_cli_init(self, cli: "Group") -> None:
        # Imported here because a server needs no command line.
        from app.cli.users import users  # noqa: PLC0415

        cli.add_command(users)


def runs_own_command() -> bool:
    """Whether this process is `litestar database …` or another command of ours, which serves nothing.

    Read from the command line, because Litestar makes the application before it looks which command it is to run.
    """
    if "litestar" not in Path(sys.argv[0]).parts[-2:]:
        return False
    from click import Context, UsageError  # noqa: PLC0415
    from litestar.cli import litestar_group  # noqa: PLC0415

    try:
        _, rest, _ = litestar_group.make_parser(Context(litestar_group)).parse_args(sys.argv[1:])
    except UsageError:
        return False
    return bool(rest) and rest[0] in _OURS
