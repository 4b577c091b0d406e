"""The home directory of this process, in which libpq and asyncpg look for passwords and certificates.

A container may run under any user id, with somebody else's HOME. A file that cannot be read there counts as missing.
"""

import os
from pathlib import Path

# Debian's name for the home of a user who has none.
_NO_HOME = "/nonexistent"
_CERTIFICATES = ".postgresql"


def find_in_home(*names: str) -> Path | None:
    """Return the path of a file in the home directory; None where there is none, or none that this process may see."""
    try:
        path = Path.home().joinpath(*names)
        path.stat()
    except (RuntimeError, KeyError, OSError):  # No home directory, too.
        return None
    return path


def find_certificate_file(name: str) -> str | None:
    """Return the path of one of libpq's TLS files, as `find_in_home` does."""
    path = find_in_home(_CERTIFICATES, name)
    return str(path) if path else None


def hide_unreadable_home() -> None:
    """Give this process a HOME that does not exist where it may not read its own.

    asyncpg and libpq go on without files that are missing, but take one that they may not see for an error.
    """
    try:
        (Path.home() / _CERTIFICATES / "root.crl").stat()
    except (RuntimeError, KeyError, FileNotFoundError, NotADirectoryError):
        return
    except OSError:
        os.environ["HOME"] = _NO_HOME
