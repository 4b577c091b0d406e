"""A git repository, of which commits and files are read: nothing is checked out, and nothing in it is changed."""

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from ...postgres.errors import DatabaseError, one_printable_line

_SECONDS = 120
# A hook of git's has these, which name another folder than the one that is asked about.
_OF_A_HOOK = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"})
_FILE, _EXECUTABLE = "100644", "100755"


class GitError(DatabaseError):
    """git cannot tell what is asked: there is no repository, no such commit, or not enough of the history."""

    exit_code = 2


@dataclass(frozen=True)
class Repository:
    """The repository whose files are in the folder `root`."""

    root: Path

    @classmethod
    def around(cls, folder: Path) -> Self:
        """Return the repository that the folder is in. Raises GitError."""
        found = _git(folder, "rev-parse", "--show-toplevel")
        if found.returncode:
            raise GitError(f"{folder} is in no git repository that can be read: {_reason(found)}")
        return cls(Path(found.stdout.decode().rstrip("\n")))

    def commit(self, name: str) -> str:
        """Return the id of the commit that is called so here, or else by that name at `origin`. Raises GitError."""
        # What begins with a minus would be an option.
        for spelt in () if name.startswith("-") else (name, f"origin/{name}"):
            found = _git(self.root, "rev-parse", "--verify", "--quiet", f"{spelt}^{{commit}}")
            if not found.returncode:
                return found.stdout.decode().strip()
        raise GitError(
            f"git knows no commit {name!r}. `git branch --all` lists the branches."
            + (f" {_SHALLOW}" if self._is_shallow() else " `git fetch origin` may bring it.")
        )

    def merge_base(self, commit: str) -> str:
        """Return the id of the last commit that HEAD and `commit` have in common. Raises GitError."""
        found = _git(self.root, "merge-base", commit, "HEAD")
        if found.returncode:
            reason = _SHALLOW if self._is_shallow() else "They have no commit in common."
            raise GitError(f"git cannot tell where HEAD and {commit[:12]} parted. {reason}")
        return found.stdout.decode().strip()

    def files(self, commit: str, at_most: int | None = None) -> dict[PurePosixPath, str]:
        """Return the contents' names in git by the files' paths from `root`, without links and submodules.

        Files of more than `at_most` bytes are left out. Raises GitError.
        """
        # A partial clone fetches the files to know their sizes.
        sized = () if at_most is None else ("-l",)
        listed = _output(_git(self.root, "ls-tree", "-r", "-z", "--full-tree", *sized, commit))
        found = {}
        for line in filter(None, listed.decode(errors="surrogateescape").split("\0")):
            about, _, path = line.partition("\t")
            mode, _, name, *size = about.split()
            if mode in {_FILE, _EXECUTABLE} and (at_most is None or int(*size) <= at_most):
                found[PurePosixPath(path)] = name
        return found

    def read(self, names: Iterable[str]) -> Mapping[str, bytes]:
        """Return the contents by their names. Raises GitError."""
        wanted = list(dict.fromkeys(names))
        output = _output(_git(self.root, "cat-file", "--batch", given="".join(f"{name}\n" for name in wanted)))
        contents, place = {}, 0
        for name in wanted:
            # `<name> blob <size>`, a line of its own, then the content and a line's end.
            begin = output.index(b"\n", place) + 1
            *_, size = output[place:begin].split()
            if not size.isdigit():
                raise GitError(f"git does not have what the commit's files contain ({name} is missing): `git fsck`.")
            contents[name] = output[begin : begin + int(size)]
            place = begin + int(size) + 1
        return contents

    def _is_shallow(self) -> bool:
        return _git(self.root, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true"


_SHALLOW = (
    "This clone is shallow, and does not have enough of the history: `git fetch --unshallow` completes it, and in a"
    " workflow `fetch-depth: 0` of actions/checkout."
)


def _git(folder: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[bytes]:
    env = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK} | {"LC_ALL": "C"}
    try:
        return subprocess.run(  # noqa: S603 - no shell, and no argument that a stranger may choose is an option
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            env=env,
            input=given.encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except OSError as exc:
        raise GitError(f"git cannot be started ({exc.strerror}): install it.") from exc
    except subprocess.TimeoutExpired as exc:
        raise GitError(f"git {arguments[0]} did not end within {_SECONDS} s.") from exc


def _output(found: subprocess.CompletedProcess[bytes]) -> bytes:
    if found.returncode:
        raise GitError(f"git failed: {_reason(found)}")
    return found.stdout


def _reason(found: subprocess.CompletedProcess[bytes]) -> str:
    return one_printable_line(found.stderr.decode(errors="replace").removeprefix("fatal: "))
