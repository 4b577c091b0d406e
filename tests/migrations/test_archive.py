"""The file of a backup: whatever is not as it was written is refused."""

import os
import subprocess
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from app.migrator.backup.archive import ArchiveWriter, open_archive
from app.migrator.backup.manifest import Manifest
from app.postgres.errors import BackupError
from tests.conftest import settings_for
from tests.support.migrator import backup

DUMP = b"PGDMP" + bytes(range(256)) * 20


def written(path: Path, dump: bytes = DUMP, sha256: str | None = None, **changes: object) -> Path:
    with path.open("wb") as file:
        writer = ArchiveWriter(file)
        writer.write(dump)
        writer.finish(
            lambda size, digest: msgspec.structs.replace(
                Manifest(
                    created_at=datetime(2026, 1, 2, tzinfo=UTC),
                    release="1",
                    revisions=("abc",),
                    database="d",
                    server="18.0",
                    pg_dump="18.0",
                    size=size,
                    sha256=sha256 or digest,
                    rows={"public.t": 1},
                ),
                **changes,
            )
        )
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BackupError) as caught, open_archive(path):
        raise AssertionError(f"{path} was taken")
    return str(caught.value)


def test_whole_file_is_read_back(tmp_path: Path) -> None:
    with open_archive(written(tmp_path / "a.tar")) as archive:
        assert b"".join(archive.dump()) == DUMP
        assert archive.manifest.rows == {"public.t": 1}
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert tar.getnames() == ["database.dump", "manifest.json", "SHA256SUMS"]


def test_any_altered_byte_is_refused(tmp_path: Path) -> None:
    content = written(tmp_path / "a.tar").read_bytes()
    altered = tmp_path / "altered.tar"
    # Every byte of what is around the dump, and some of the dump.
    places = [*range(600), *range(600, 512 + len(DUMP), 97), *range(512 + len(DUMP), len(content))]
    for place in places:
        altered.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert "Nothing was changed" in refusal(altered), place


def test_file_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    content = written(tmp_path / "a.tar").read_bytes()
    short = tmp_path / "short.tar"
    for length in (*range(0, len(content), 61), *range(len(content) - 1100, len(content), 7), len(content) - 1):
        short.write_bytes(content[:length])
        assert ("is truncated" if length >= 512 else "is not a whole backup") in refusal(short), length


def test_file_with_something_behind_its_end_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.tar")
    path.write_bytes(path.read_bytes() + b"\0")
    assert "altered" in refusal(path)


def test_manifest_of_another_backup_is_refused(tmp_path: Path) -> None:
    assert "its manifest.json is not that of its database.dump" in refusal(written(tmp_path / "a.tar", sha256="0" * 64))


def test_version_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "manifest.json is not as it was written" in refusal(written(tmp_path / "a.tar", pg_dump="../x"))


def test_manifest_put_in_by_hand_is_refused(tmp_path: Path) -> None:
    first = written(tmp_path / "a.tar").read_bytes()
    second = written(tmp_path / "b.tar", database="e").read_bytes()
    start = 512 + len(DUMP) + -len(DUMP) % 512
    swapped = tmp_path / "swapped.tar"
    swapped.write_bytes(first[:start] + second[start : start + 1024] + first[start + 1024 :])
    assert "was altered" in refusal(swapped)


def test_format_of_a_newer_release_is_named(tmp_path: Path) -> None:
    assert "has the format 2, and this release knows 1" in refusal(written(tmp_path / "a.tar", format=2))


@pytest.mark.parametrize("content", [b"", b"notes\n", b"PGDMP\1\x0e" * 500, bytes(20_000)])
def test_what_is_no_backup_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    assert "is not a whole backup" in refusal(path)


def test_another_tar_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "a.tar")
    subprocess.run(["tar", "xf", "a.tar"], cwd=tmp_path, check=True)
    subprocess.run(["tar", "cf", "b.tar", "manifest.json", "database.dump"], cwd=tmp_path, check=True)
    assert "is not a whole backup" in refusal(tmp_path / "b.tar")


def test_file_that_cannot_be_read_is_said_plainly(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal(tmp_path / "missing.tar")
    assert "cannot be read: Is a directory" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for special in (tmp_path / "pipe", Path("/dev/zero")):
        assert f"{special} is not a regular file" in refusal(special)


def test_partial_file_is_no_backup(database_url: str, tmp_path: Path) -> None:
    path = backup(settings_for(database_url), tmp_path / "a.tar").path
    content = path.read_bytes()
    # As it is before the end: without the first header, which is written last.
    path.write_bytes(bytes(512) + content[512:-3000])
    assert "is not a whole backup" in refusal(path)
