"""Write new revisions, and the backfills that they take."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.script import Script

from ..config import MigratorConfig
from ..locking.alembic_lock import ALEMBIC_LOCK
from ..revisions.alembic_config import RunOptions, alembic_config
from ..revisions.loading import open_revisions
from .rename_answers import ANSWERS, RenameAnswers


@dataclass(frozen=True)
class MadeFiles:
    """The files that were written, in the order to run them; no revision where models and database are alike."""

    revisions: tuple[Path, ...]
    backfills: tuple[Path, ...]


def make_revisions(config: MigratorConfig, answers: RenameAnswers, options: Mapping[str, Any]) -> MadeFiles:
    """Write what `alembic revision` writes with these options, and say nothing of it.

    Raises RenameError and RenameUnansweredError, what reading the revisions raises, and CommandError.
    """
    alembic = alembic_config(config, RunOptions(skips_empty=bool(options.get("autogenerate"))))
    folder = Path(open_revisions(config).dir) / "backfills"
    before = set(folder.glob("*.py"))
    token = ANSWERS.set(answers)
    try:
        # Alembic prints a line for each file and each hook.
        with ALEMBIC_LOCK, nullcontext() if options.get("sql") else redirect_stdout(io.StringIO()):
            written = command.revision(alembic, **options)
    finally:
        ANSWERS.reset(token)
    return MadeFiles(tuple(_paths(written)), tuple(sorted(set(folder.glob("*.py")) - before)))


def _paths(written: Script | Sequence[Script | None] | None) -> Iterator[Path]:
    for script in [written] if isinstance(written, Script) else written or ():
        if script is not None:
            yield Path(script.path)
