"""Let this interpreter write below MAY_WRITE alone, as in a container whose root is read-only."""

import errno
import os
import sys
from pathlib import Path
from typing import Any

_MAY_WRITE = ("/dev/", f"{os.environ['MAY_WRITE']}/")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {"os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate"}


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _CHANGES and not (event == "open" and arguments[2] & _WRITING):
        return
    path = arguments[0]
    # What the image has compiled when it was built is compiled here when it is imported.
    if isinstance(path, int) or "__pycache__" in os.fsdecode(path):
        return
    if not str(Path(os.fsdecode(path)).absolute()).startswith(_MAY_WRITE):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)


sys.addaudithook(_refuse)
