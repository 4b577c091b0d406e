"""How far a reader of a stream has come, by PostgreSQL's snapshots.

Times and ids cannot tell what has become visible since: they are assigned before the commit, and transactions commit in
another order.
"""

import re
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from app.core.cursor_encoding import packed, unpacked
from app.core.errors import BadRequestError, FieldProblem

# `xmin:xmax:xip,xip`, documented with pg_current_snapshot(): "Transaction ID and Snapshot Information Functions".
_SNAPSHOT = re.compile(r"\d+:(\d+):((?:\d+(?:,\d+)*)?)")
_TRANSACTION_IDS = 2**63


class Snapshot(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The transactions that are visible at a moment: those before `limit`, except the ones `under_way`."""

    limit: int
    under_way: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Snapshot":
        """Return the snapshot that PostgreSQL writes as this text (`pg_snapshot`)."""
        match = _SNAPSHOT.fullmatch(text)
        assert match is not None, "what the server calls a snapshot"
        return cls(int(match[1]), tuple(int(number) for number in match[2].split(",") if number))


class InvalidStreamCursorError(BadRequestError):
    code = "invalid_event_id"
    default_detail = "This is not the id of an event of a stream."

    def __init__(self) -> None:
        super().__init__(errors=(FieldProblem("Last-Event-ID", "Send the `id` of the last event that you had."),))


class StreamCursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How far a reader has come: it has had everything that was visible at `begin`, or wants nothing older.

    Of the events that became visible between `begin` and `end` it has had those up to `after`, by (created_at, id).
    """

    begin: Snapshot | datetime
    end: Snapshot | None = None
    after: tuple[datetime, UUID] | None = None

    def encode(self) -> str:
        """Return the cursor as the `id` of an event."""
        return packed(self)

    @classmethod
    def decode(cls, text: str) -> "StreamCursor":
        """Return the cursor that is this `id` of an event. Raises InvalidStreamCursorError."""
        try:
            cursor = unpacked(text, cls)
        except ValueError:
            raise InvalidStreamCursorError from None
        if not cursor.is_whole():
            raise InvalidStreamCursorError
        return cursor

    def is_whole(self) -> bool:
        """Return whether it is complete, and all its numbers and times are in PostgreSQL's ranges."""
        times = [time for time in (self.begin, self.after and self.after[0]) if isinstance(time, datetime)]
        snapshots = [snapshot for snapshot in (self.begin, self.end) if isinstance(snapshot, Snapshot)]
        numbers = [number for snapshot in snapshots for number in (snapshot.limit, *snapshot.under_way)]
        needs_end = isinstance(self.begin, datetime) or self.after is not None
        return (
            (self.end is not None or not needs_end)
            and all(is_moment(time) for time in times)
            and all(0 <= number < _TRANSACTION_IDS for number in numbers)
        )


def is_moment(time: datetime) -> bool:
    """Return whether the time has an offset, and a year from 1 to 9999 in UTC as well."""
    try:
        return time.tzinfo is not None and time.astimezone(UTC) is not None
    except OverflowError:
        return False
