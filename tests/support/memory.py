"""Where the data of a PostgreSQL that lives for one run is kept: in memory, where there is room.

A clone of a database is nine hundred files, and with those a disk's journal takes longer than a test with the rest.
"""

import os
import shutil
import tempfile
from pathlib import Path

import psutil

_MEMORY = Path("/dev/shm")
_ENOUGH = 4 * 2**30


def new_directory() -> Path:
    """Whoever asked for it removes it; what a run that was killed has left is removed here."""
    root = _root()
    for directory in root.glob("plimsoll-suite-*"):
        if not psutil.pid_exists(int(directory.name.split("-")[2])):
            shutil.rmtree(directory, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"plimsoll-suite-{os.getpid()}-", dir=root))


def _root() -> Path:
    # Not TMPDIR, which may be too long for a socket.
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK | os.X_OK):
        return Path("/tmp")
    room = min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available)
    return _MEMORY if room > _ENOUGH else Path("/tmp")
