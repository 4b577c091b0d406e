"""A git repository of a test's own, which no configuration of the machine's user reaches."""

import os
import subprocess
from pathlib import Path

_OURS = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
_AUTHOR = ("-c", "user.name=A test", "-c", "user.email=test@example.org", "-c", "core.autocrlf=false")


def git(folder: Path, *arguments: str) -> str:
    """Return what git writes there. Raises CalledProcessError."""
    command = ["git", *_AUTHOR, *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ | _OURS, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit_all(folder: Path, message: str = "A commit") -> str:
    """Commit every file, in a new repository where there is none, and return the commit's id."""
    if not (folder / ".git").exists():
        git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")
