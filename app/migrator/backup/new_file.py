"""A file that is either there as a whole or not at all, and never replaces another."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ...postgres.errors import BackupError

# File systems without hard links answer with these.
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS})


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that appears under `path`, and is on the disk, once the block has ended without an exception.

    Until then it is `PATH.xxxxxxxx.partial`, which only its owner can read. A block that fails removes it; a process
    that is killed leaves it. Raises BackupError if `path` exists, before the block or after it, and for an OSError in
    the block, such as a full disk.
    """
    if os.path.lexists(path):
        raise _exists(path)
    if not path.parent.is_dir():
        raise BackupError(
            f"{path} cannot be written: there is no directory {path.parent}. Make it, or name another FILE."
        )
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
                yield file
                file.flush()
                os.fsync(descriptor)
            _publish(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except FileExistsError as exc:
        raise _exists(path) from exc
    except OSError as exc:
        raise BackupError(f"{path} cannot be written: {exc.strerror}. Nothing of it was kept.") from exc


def _publish(partial: Path, path: Path) -> None:
    # A link, because a rename would replace a file that has appeared meanwhile.
    try:
        os.link(partial, path)
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        partial.replace(path)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exists(path: Path) -> BackupError:
    return BackupError(f"{path} is there already, and is never overwritten: name another FILE, or move it away.")
