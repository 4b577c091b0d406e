"""What the `alembic` command of this project does before anything else; Alembic finds it as a plugin."""

import sys
from pathlib import Path

from alembic.runtime.plugins import Plugin

from app.core.closed_pipe import end_at_closed_pipe


def setup(_: Plugin) -> None:
    """Called by Alembic as it is imported, by whichever program."""
    # `…/bin/alembic`, or `python -m alembic`, whose name is not known yet.
    if Path(sys.argv[0]).stem == "alembic" or sys.orig_argv[1:3] == ["-m", "alembic"]:
        end_at_closed_pipe()
