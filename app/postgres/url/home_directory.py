"""The home directory of this process, in which libpq and asyncpg look for passwords and certificates.

A container may run under any user id, with the HOME of somebody else. What cannot be looked at there counts as missing.
"""

import os
from pathlib import Path

# As Debian calls that of a user who has none.
_NO_HOME = "/nonexistent"
_CERTIFICATES = ".postgresql"


def find_in_home(*names: str) -> Path | None:
    """Return the path of a file in the home directory; None where there is none, or none that can be looked at."""
    try:
        path = Path.home().joinpath(*names)
        path.stat()
    except (RuntimeError, KeyError, OSError):  # No home directory, too.
        return None
    return path


def find_certificate_file(name: str) -> Path | None:
    """Return the path of one of libpq's files of TLS, as `find_in_home` does."""
    return find_in_home(_CERTIFICATES, name)


def hide_unreadable_home() -> None:
    """Give this process a HOME that does not exist where it cannot look into its own.

    asyncpg and libpq go on without the files that are missing, but take one that they cannot look at for an error.
    """
    try:
        (Path.home() / _CERTIFICATES / "root.crl").stat()
    except (RuntimeError, KeyError, FileNotFoundError, NotADirectoryError):
        return
    except OSError:
        os.environ["HOME"] = _NO_HOME
