"""The project's releases, each in a directory of its own: the one before this, and the next."""

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import distributions
from pathlib import Path

from alembic.script import Script
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.core.settings import Settings
from app.migrator.phase import Phase
from app.migrator.revisions.loading import oldest_first, phase_of
from tests.support.migrator import load_revisions
from tests.support.processes import BIN, ROOT, copied_checkout

NOTES = ROOT / "migrations" / "RELEASES.md"
NEXT = Path(__file__).parents[1] / "migrations" / "next_release"
LAST = "00000000c007"

# File -> (what stands there, what stands there then).
Edits = dict[str, tuple[tuple[str, str], ...]]
# One column less, and one more, in which it may still meet rows that the backfill has not reached.
EDITS: Edits = {
    "app/services/tasks.py": (
        (' | ({"in_progress_at": datetime.now(UTC)} if status == TaskStatus.IN_PROGRESS else {})', ""),
    ),
    "app/api/tasks.py": (("in_progress_at=task.in_progress_at", "effort=task.effort"),),
    "app/models/tasks.py": (
        ("    in_progress_at: Mapped[datetime | None]\n", ""),
        (
            "    due_at: Mapped[datetime | None]\n",
            "    due_at: Mapped[datetime | None]\n    effort: Mapped[int | None] = mapped_column(default=1)\n",
        ),
    ),
    "app/schemas/tasks.py": (
        ("    in_progress_at: Moment | None\n", ""),
        ('    priority: TaskPriority = "medium"\n', '    priority: TaskPriority = "medium"\n    effort: int = 1\n'),
        ("    priority: TaskPriority\n", "    priority: TaskPriority\n    effort: int | None\n"),
    ),
}


def previous_release(target: Path) -> Path:
    """Write the files of the newest release before this one, and return their folder."""
    found = re.search(r"^Commit: `(\w+)`$", NOTES.read_text(), re.MULTILINE)
    assert found, f"{NOTES} names no commit"
    archive = subprocess.run(["git", "archive", found[1]], cwd=ROOT, capture_output=True, check=False)
    assert archive.returncode == 0, (
        f"The previous release is commit {found[1]}, which this clone does not have. `git fetch --unshallow` brings the"
        f" history of a shallow clone. git said: {archive.stderr.decode().strip()}"
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(target, filter="data")
    _install_packages_that_are_gone(target)
    return target


def _install_packages_that_are_gone(checkout: Path) -> None:
    """Install beside the release's code what it needs and this release's environment does not have any more."""
    lines = re.findall(r"^[\w.-]+(?:\[.*?\])?==[^\\\n]+", (checkout / "requirements.txt").read_text(), re.MULTILINE)
    installed = {canonicalize_name(found.name) for found in distributions()}
    gone = [
        f"{requirement.name}{requirement.specifier}"
        for requirement in map(Requirement, lines)
        if (requirement.marker is None or requirement.marker.evaluate())
        and canonicalize_name(requirement.name) not in installed
    ]
    if gone:
        uv = shutil.which("uv", path=f"{BIN}:{os.environ['PATH']}")
        installer = [uv, "pip"] if uv else [sys.executable, "-m", "pip"]
        command = [*installer, "install", "--quiet", "--no-deps", "--target", str(checkout), *gone]
        subprocess.run(command, check=True, timeout=300)


def next_release(target: Path, previous: Path | None = None) -> Path:
    """This release with another column, the revisions and the backfill for it, and without one that it drops.

    As the release that comes after `previous` (None: after this one), it expands before it contracts anything.
    """
    _edit(copied_checkout(target), EDITS)
    head = load_revisions(Settings()).get_current_head()
    if previous and (contract := _first_contract_since(previous)):
        head = str(contract.down_revision)
        text = (f'down_revision = "{head}"', f'down_revision = "{LAST}"')
        _edit(target, {f"migrations/versions/{Path(contract.path).name}": (text,)})
    for path in sorted(NEXT.glob("*/*.py")):
        copy = target / "migrations" / path.relative_to(NEXT)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(path, copy)
        copy.write_text(copy.read_text().replace('"the head of the project"', repr(head)))
    return target


def _first_contract_since(previous: Path) -> Script | None:
    known = {path.name for path in (previous / "migrations" / "versions").glob("*.py")}
    return next(
        (
            script
            for script in oldest_first(load_revisions(Settings()))
            if phase_of(script) is Phase.CONTRACT and Path(script.path).name not in known
        ),
        None,
    )


def _edit(checkout: Path, edits: Edits) -> None:
    for path, changes in edits.items():
        text = (checkout / path).read_text()
        for before, after in changes:
            assert text.count(before) == 1, f"{path} has {before!r} {text.count(before)} times"
            text = text.replace(before, after)
        (checkout / path).write_text(text)
