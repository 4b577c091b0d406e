"""What a backup says about itself, and what is reported while one is taken or restored."""

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import msgspec

from ..units import Bytes, Rows, Time

# Increase it when an older release can no longer restore what a newer one writes.
FORMAT = 1


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`rows` counts each table's rows in the snapshot of the dump; `revisions` is empty if Alembic manages nothing.

    `created_at` is the snapshot's time by the server's clock, in UTC; `server` and `pg_dump` are versions; `size` and
    `sha256` belong to the dump.
    """

    format: int = FORMAT
    created_at: Time
    release: str
    revisions: tuple[str, ...]
    database: str
    server: str
    pg_dump: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+\.[0-9]+$")]
    size: Bytes
    sha256: str
    rows: dict[str, Rows]


class BackupProgress(NamedTuple):
    """`done` of `total` in `unit`; `detail` says what is being done now."""

    step: str
    done: int
    total: int
    unit: Literal["tables", "bytes"]
    detail: str = ""


Report = Callable[[BackupProgress], None]


def silent(_: BackupProgress) -> None:
    """Report nothing."""
