"""What was visible when: PostgreSQL's snapshots, by which a reader knows what has become visible since it last looked.

Neither times nor ids can tell that: they are given before a commit, and transactions commit in another order.
"""

import re
from datetime import UTC, datetime
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Text, and_, any_, cast, false, func, literal, literal_column, not_, or_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.types import BigInteger

from app.core.errors import BadRequestError, FieldProblem
from app.repositories.opaque import packed, unpacked

# `xmin:xmax:xip,xip`, documented with pg_current_snapshot(): "Transaction ID and Snapshot Information Functions".
_SNAPSHOT = re.compile(r"\d+:(\d+):((?:\d+(?:,\d+)*)?)")
_32_BITS = 2**32 - 1
_MOST = 2**63


class Visibility(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What the transactions before `limit` wrote is visible, unless they were `under_way`."""

    limit: int
    under_way: tuple[int, ...] = ()

    @classmethod
    def parse(cls, snapshot: str) -> "Visibility":
        """Of a `pg_snapshot`."""
        match = _SNAPSHOT.fullmatch(snapshot)
        assert match is not None, "what the server calls a snapshot"
        return cls(int(match[1]), tuple(int(number) for number in match[2].split(",") if number))

    def shows(self, transaction_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
        """Whether what the transaction in this column wrote is visible."""
        return and_(transaction_id < self.limit, not_(self._under_way(transaction_id)))

    def hides(self, transaction_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
        """Whether it is not; in a form that an index answers."""
        return or_(transaction_id >= self.limit, self._under_way(transaction_id))

    def _under_way(self, transaction_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
        return transaction_id == any_(literal(list(self.under_way), ARRAY(BigInteger))) if self.under_way else false()


def written_here(transaction_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Whether the row comes from the transaction that it names, not from a backup of another server.

    `xmin` is the transaction that put the row into this table: 32 bits, and that of a savepoint comes later.
    """
    put_here = cast(cast(literal_column(f"{transaction_id.class_.__tablename__}.xmin"), Text), BigInteger)
    return put_here >= transaction_id.op("&")(_32_BITS)


def current() -> ColumnElement[str]:
    """The snapshot of the statement, for `Visibility.parse`."""
    return cast(func.pg_current_snapshot(), Text)


def is_moment(time: datetime) -> bool:
    """Whether it has an offset, and a year from 1 to 9999 in UTC as well."""
    try:
        return time.tzinfo is not None and time.astimezone(UTC) is not None
    except OverflowError:
        return False


class InvalidPlaceError(BadRequestError):
    code = "invalid_event_id"
    default_detail = "This is not the id of an event of a stream."

    def __init__(self) -> None:
        super().__init__(errors=(FieldProblem("Last-Event-ID", "Send the `id` of the last event that you had."),))


class Place(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How far a reader has come: it had everything that was visible at `begin`, or wants nothing older than that.

    Of what became visible from there until `end` it had what comes before and at `after`, by (created_at, id).
    """

    begin: Visibility | datetime
    end: Visibility | None = None
    after: tuple[datetime, UUID] | None = None

    def encode(self) -> str:
        """As the `id` of an event."""
        return packed(self)

    @classmethod
    def decode(cls, text: str) -> "Place":
        """Raises InvalidPlaceError."""
        try:
            place = unpacked(text, cls)
        except ValueError:
            raise InvalidPlaceError from None
        if not place.is_whole():
            raise InvalidPlaceError
        return place

    def is_whole(self) -> bool:
        """Whether it says what a place must say, in numbers that the database knows."""
        times = [time for time in (self.begin, self.after and self.after[0]) if isinstance(time, datetime)]
        moments = [moment for moment in (self.begin, self.end) if isinstance(moment, Visibility)]
        numbers = [number for moment in moments for number in (moment.limit, *moment.under_way)]
        needs_end = isinstance(self.begin, datetime) or self.after is not None
        return (
            (self.end is not None or not needs_end)
            and all(is_moment(time) for time in times)
            and all(0 <= number < _MOST for number in numbers)
        )
