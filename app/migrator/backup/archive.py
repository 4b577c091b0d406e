"""The file of a backup: an uncompressed tar with `database.dump`, `manifest.json` and `SHA256SUMS`, in this order.

It is one file, so that dump and manifest cannot be mixed up or separated. It is a tar, so that every machine can look
inside without this program: `tar xf FILE`, `sha256sum -c SHA256SUMS`, `pg_restore -l database.dump`. It is not
compressed, because the dump already is. The dump comes first and is written as pg_dump makes it, without a second copy
on the disk; its size and checksum are known only afterwards. Its header is written last, so that a file that was cut
short begins with zeros or ends too early. Reading checks every byte: blocks are filled up with zeros, headers have
checksums, and nothing follows the end.
"""

import hashlib
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from ...postgres.errors import BackupError
from ..command_names import command
from .manifest import FORMAT, BackupProgress, Manifest, Report, silent

DUMP, MANIFEST, SUMS = "database.dump", "manifest.json", "SHA256SUMS"
CHUNK = 1 << 20
_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)
# The most bytes of a member that is read at once: far more than the manifest of ten thousand tables has.
_SMALL = 16 << 20
_UNTOUCHED = "Nothing was changed."


class ArchiveWriter:
    """Writes a backup into an empty, seekable file: first the dump, piece by piece, then the rest."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0
        file.write(bytes(_BLOCK))

    def write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)

    def finish(self, describe: Callable[[int, str], Manifest]) -> Manifest:
        """Write manifest, checksums and headers, and return the manifest.

        `describe` is given the dump's size and SHA-256, and returns the manifest.
        """
        sha256 = self._hash.hexdigest()
        manifest = describe(self.size, sha256)
        modified = int(manifest.created_at.timestamp())
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
        self._file.write(_padding(self.size))
        for name, content in ((MANIFEST, text), (SUMS, _sums(sha256, text))):
            self._file.write(_header(name, len(content), modified) + content + _padding(len(content)))
        self._file.write(_END)
        self._file.seek(0)
        self._file.write(_header(DUMP, self.size, modified))
        return manifest


class Archive:
    """A backup that was read from beginning to end and is whole."""

    def __init__(self, file: BinaryIO, path: Path, manifest: Manifest) -> None:
        self._file = file
        self.path = path
        self.manifest = manifest

    def dump(self) -> Iterator[bytes]:
        """Yield the dump in pieces. Raises BackupError if it is not what was checked."""
        self._file.seek(_BLOCK)
        found = hashlib.sha256()
        for piece in _pieces(self._file, self.manifest.size):
            found.update(piece)
            yield piece
        if found.hexdigest() != self.manifest.sha256:
            raise _damaged(self.path, DUMP)


@contextmanager
def open_archive(path: Path, report: Report = silent) -> Iterator[Archive]:
    """Read and check all of the file. Raises BackupError if it is no backup, cut short, or altered."""
    try:
        file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - closed below
    except OSError as exc:
        raise BackupError(f"{path} cannot be read: {exc.strerror}.") from exc
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BackupError(
                f"{path} is not a regular file, and a backup is read twice: copy it into one. {_UNTOUCHED}"
            )
        try:
            archive = Archive(file, path, _check(file, path, report))
        except OSError as exc:
            raise BackupError(f"{path} cannot be read: {exc.strerror}. {_UNTOUCHED}") from exc
        yield archive


def _open_at_once(path: str, flags: int) -> int:
    """Open the file, without waiting for the other end if it is a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _check(file: BinaryIO, path: Path, report: Report) -> Manifest:
    found = hashlib.sha256()
    done, size = 0, _read_header(file, path, DUMP)
    for piece in _pieces(file, size):
        found.update(piece)
        done += len(piece)
        report(BackupProgress("Checking the file", done, size, "bytes"))
    _read_padding(file, path, DUMP, size)
    manifest, sums = _read_member(file, path, MANIFEST), _read_member(file, path, SUMS)
    if sums != _sums(found.hexdigest(), manifest):
        raise _damaged(path, f"{DUMP} or {MANIFEST}")
    end = file.read(len(_END) + 1)
    if end != _END:
        raise _cut_short(path) if _END.startswith(end) else _damaged(path, "its end")
    return _decode(manifest, path, size, found.hexdigest())


def _decode(text: bytes, path: Path, size: int, sha256: str) -> Manifest:
    try:
        version = msgspec.json.decode(text).get("format")
        if version != FORMAT:
            raise BackupError(
                f"{path} has the format {version!r}, and this release knows {FORMAT}: restore it with the release that"
                f" made it. {_UNTOUCHED}"
            )
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.MsgspecError, AttributeError) as exc:
        raise _damaged(path, MANIFEST) from exc
    if (manifest.size, manifest.sha256) != (size, sha256):
        raise BackupError(f"{path} was altered: its {MANIFEST} is not that of its {DUMP}. {_UNTOUCHED}")
    return manifest


def _read_header(file: BinaryIO, path: Path, name: str) -> int:
    """Read a member's header, and return the member's size."""
    block = file.read(_BLOCK)
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        expected = info.name == name and block == _header(name, info.size, int(info.mtime))
    except (tarfile.HeaderError, UnicodeDecodeError):
        expected = False
    if not expected and name == DUMP:
        raise BackupError(f"{path} is not a whole backup of `{command('backup')}`. {_UNTOUCHED}")
    if not expected:
        raise _cut_short(path) if len(block) < _BLOCK else _damaged(path, name)
    if file.tell() + info.size > os.fstat(file.fileno()).st_size:
        raise _cut_short(path)
    return info.size


def _read_padding(file: BinaryIO, path: Path, name: str, size: int) -> None:
    expected = _padding(size)
    found = file.read(len(expected))
    if found != expected:
        raise _cut_short(path) if len(found) < len(expected) else _damaged(path, name)


def _read_member(file: BinaryIO, path: Path, name: str) -> bytes:
    size = _read_header(file, path, name)
    if size > _SMALL:
        raise _damaged(path, name)
    content = file.read(size)
    _read_padding(file, path, name, size)
    return content


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    left = size
    while left and (piece := file.read(min(CHUNK, left))):
        left -= len(piece)
        yield piece


def _header(name: str, size: int, modified: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size, modified, 0o600
    # GNU's format, in which a size of more than 8 GiB still takes one block.
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


def _sums(dump: str, manifest: bytes) -> bytes:
    return f"{dump}  {DUMP}\n{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def _cut_short(path: Path) -> BackupError:
    return BackupError(f"{path} is truncated: the end of the backup is missing. {_UNTOUCHED}")


def _damaged(path: Path, part: str) -> BackupError:
    return BackupError(f"{path} is damaged or was altered: {part} is not as it was written. {_UNTOUCHED}")
