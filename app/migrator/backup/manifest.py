"""What a backup says of itself, and what is told while one is taken or restored."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec

# Raised when an older release could no longer restore what a newer one writes.
FORMAT = 1


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`rows` are those of each table in the dump's own snapshot; `revisions` are empty where Alembic manages nothing.

    `created_at` is the moment of the snapshot by the server's clock, in UTC; `server` and `pg_dump` are versions, and
    `size` (bytes) and `sha256` the dump's.
    """

    format: int = FORMAT
    created_at: datetime
    release: str
    revisions: tuple[str, ...]
    database: str
    server: str
    pg_dump: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+\.[0-9]+$")]
    size: int
    sha256: str
    rows: dict[str, int]


class Progress(NamedTuple):
    """`done` of `total`, in `unit`; `detail` says what is at hand, if anything is."""

    step: str
    done: int
    total: int
    unit: Literal["tables", "bytes"]
    detail: str = ""


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """For callers that show nothing."""
