"""The files of the PostgreSQL that starts by itself, and the locks by which processes share it.

Everything is in `<data directory>/postgres`, which only its owner may enter. That keeps other users of the machine out,
since the server trusts everybody who reaches its socket. POSIX only.
"""

import fcntl
import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SOCKET_NAME = ".s.PGSQL.5432"
# Bytes. `sun_path` holds 104 on macOS and 108 on Linux, with the NUL at its end.
_LONGEST_SOCKET_PATH = 103
_NOBODY = 65534


@dataclass(frozen=True)
class Files:
    """The files in one data directory, and four locks that show who is there.

    The locks are flocks, which the kernel frees however a process ends.

    - `users`: shared by every process that uses the server; exclusive for the supervisor once none is left.
    - `starting`: exclusive while one process checks whether there is a server, and until that is ready.
    - `keeper`: exclusive while a supervisor lives; the old name stays, since older checkouts share the directory.
    - `server`: exclusive for the server's processes together, and initdb's, which inherit it.
    """

    root: Path

    @property
    def data(self) -> Path:
        """Return what PostgreSQL calls the data directory."""
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "postgres.log"

    @cached_property
    def socket_directory(self) -> Path:
        """Return `root`, or where its path is too long for a socket, a short directory that follows from `root` alone.

        The short one is not below TMPDIR or XDG_RUNTIME_DIR, which may differ between the processes that share the
        server. The inode tells a new folder from a removed one whose server has not ended yet.
        """
        # A comma separates hosts for libpq, and nothing escapes it.
        if len(os.fsencode(self.root / SOCKET_NAME)) <= _LONGEST_SOCKET_PATH and "," not in str(self.root):
            return self.root
        info = self.root.stat()
        name = hashlib.sha256(os.fsencode(self.root) + b"\0%d" % info.st_ino).hexdigest()[:16]
        return Path("/tmp") / f"plimsoll-{info.st_uid}-{name}"  # noqa: S108 - private, see make_socket_directory

    @property
    def socket(self) -> Path:
        return self.socket_directory / SOCKET_NAME

    def open_lock(self, name: str) -> int:
        """Return a new descriptor of the lock `name`, which no child inherits unless it is passed on purpose."""
        # The folder may belong to another account than root, whose links are not followed.
        descriptor = os.open(self.root / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if os.geteuid() == 0:
            owner = self.root.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor


def prepare(data_directory: Path) -> Files:
    """Create the folders that are missing. Raises OSError, and PermissionError for a folder of another account.

    PostgreSQL refuses to run as root: the folder of root's server belongs to `nobody`, or keeps its owner.
    """
    data_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    root = data_directory.resolve() / "postgres"
    root.mkdir(mode=0o700, exist_ok=True)
    owner, me = root.stat().st_uid, os.geteuid()
    if me not in (owner, 0):
        raise PermissionError(f"{root} belongs to {_account(owner)}, and this process runs as {_account(me)}")
    if owner == 0:
        uid, gid = _nobody()
        os.chown(root, uid, gid)
    root.chmod(0o700)
    return Files(root)


def make_socket_directory(files: Files) -> None:
    """Create the short directory. Raises PermissionError where another user of the machine has created it first."""
    directory = files.socket_directory
    if directory == files.root:
        return
    directory.mkdir(mode=0o700, exist_ok=True)
    info = directory.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or stat.S_IMODE(info.st_mode) & 0o077:
        raise PermissionError(f"{directory} is not a private folder of {_account(os.geteuid())}; remove it")


def try_lock(descriptor: int, *, exclusive: bool) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def share_others(descriptor: int) -> bool:
    """Return whether several processes share the lock, rather than one or none; `descriptor` must not hold it."""
    shared = not try_lock(descriptor, exclusive=True) and try_lock(descriptor, exclusive=False)
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return shared


def _nobody() -> tuple[int, int]:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return _NOBODY, _NOBODY
    return entry.pw_uid, entry.pw_gid


def _account(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
