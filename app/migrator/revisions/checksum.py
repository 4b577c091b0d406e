"""The checksum by which a revision's file is recognized."""

import hashlib
from pathlib import Path

from alembic.script import Script

# So many of them tell the files of a project apart, where somebody reads them.
DIGITS = 16


def checksum_of(script: Script) -> str:
    """Return the SHA-256 of the revision's file in hexadecimal digits."""
    return file_checksum(Path(script.path))


def file_checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
