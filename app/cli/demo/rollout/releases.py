"""The two releases: this checkout's code, and a next one in which a column of `tasks` has another name."""

import shutil
from pathlib import Path

from app.cli.demo.rollout.errors import RolloutError

CHECKOUT = Path(__file__).resolve().parents[4]
TABLE, OLD_COLUMN, NEW_COLUMN = "tasks", "description", "details"
# The attribute keeps its name, and with it the API. The search index goes over to the new column.
_MODEL = Path("app/models/tasks.py")
_EDITS = (
    (
        f"    {OLD_COLUMN}: Mapped[str | None]\n",
        f'    {OLD_COLUMN}: Mapped[str | None] = mapped_column("{NEW_COLUMN}", key="{OLD_COLUMN}")\n',
    ),
    (f"COALESCE({OLD_COLUMN}, ''::text)", f"COALESCE({NEW_COLUMN}, ''::text)"),
)


def copy_release(target: Path) -> Path:
    """Copy what serves and migrates to `target`, where no `.env` is read and no later edit of the checkout is seen."""
    for name in ("app", "migrations"):
        # Bytecode under its final name only: others may be writing theirs.
        shutil.copytree(CHECKOUT / name, target / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    shutil.copy(CHECKOUT / "alembic.ini", target)
    return target


def rename_column(release: Path) -> None:
    """Rename the column in the models of the release. Its revisions are still to be generated."""
    path = release / _MODEL
    text = path.read_text(encoding="utf-8")
    for before, after in _EDITS:
        if text.count(before) != 1:
            raise RolloutError(f"{_MODEL} is not as this demo knows it: it should have {before.strip()!r} once.")
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")
