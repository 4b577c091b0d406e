"""The events of streams, read as they become visible."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    any_,
    cast,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import BigInteger

from app.core.stream_cursor import Snapshot, StreamCursor
from app.models import ActivityEvent, Board, Organization
from app.repositories.access import AccessScope
from app.repositories.base import is_one_of

_CURRENT_SNAPSHOT = select(cast(func.pg_current_snapshot(), Text))
_32_BITS = 2**32 - 1


class EventFilter(NamedTuple):
    """A choice of events: of an organization and a kind, on these boards (None: all), or in one group.

    `kind` is what an event type begins with, or the whole of it. `beside_boards` adds what is on no board.
    """

    organization_id: UUID
    kind: str
    board_ids: frozenset[UUID] | None = None
    beside_boards: bool = False
    board_group_id: UUID | None = None

    @property
    def is_of_groups(self) -> bool:
        """Whether it is about what groups of boards have, also where it names no group as yet."""
        return self.kind.startswith("board_group")

    def matches(self, event: ActivityEvent) -> bool:
        """Return whether an event that was read meets the `conditions`."""
        if event.organization_id != self.organization_id or not event.event_type.startswith(self.kind):
            return False
        if self.board_group_id is not None:
            return event.board_group_id == self.board_group_id
        if self.board_ids is None or event.board_id in self.board_ids:
            return True
        return self.beside_boards and event.board_id is None and event.board_group_id is None

    def includes_board(self, board_id: UUID | None) -> bool:
        """Return whether the reader may read this board as well; None is no board."""
        return self.board_ids is None or board_id is None or board_id in self.board_ids

    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        ours = ActivityEvent.organization_id == self.organization_id
        kind = ActivityEvent.event_type.startswith(self.kind, autoescape=True)
        if self.board_group_id is not None:
            return ours, kind, ActivityEvent.board_group_id == self.board_group_id
        if self.board_ids is None:
            return ours, kind
        board_id = ActivityEvent.board_id
        on_boards = is_one_of(board_id, self.board_ids)
        beside = board_id.is_(None) & ActivityEvent.board_group_id.is_(None)
        return ours, kind, or_(on_boards, beside) if self.beside_boards else on_boards


class StreamRepository:
    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def current_snapshot(self) -> Snapshot:
        """Return what is visible now."""
        return Snapshot.parse((await self._session.scalars(_CURRENT_SNAPSHOT)).one())

    async def readable_board_ids(self, access: AccessScope) -> frozenset[UUID] | None:
        """Return the boards that the caller may read; None where that is all."""
        if access.reads_all:
            return None
        statement = select(Board.id).where(Board.organization_id == access.organization_id, access.readable(Board.id))
        return frozenset((await self._session.scalars(statement)).all())

    async def list_between(
        self, organization_ids: Collection[UUID], begin: Snapshot, end: Snapshot, limit: int
    ) -> Sequence[ActivityEvent]:
        """Return what became visible in these organizations from `begin` until `end`: `limit` events at most."""
        ours = is_one_of(ActivityEvent.organization_id, organization_ids)
        return await self._list((ours, *_became_visible(begin, end)), limit)

    async def deleted_organization_ids(self, organization_ids: Collection[UUID]) -> list[UUID]:
        """Return those of these organizations that are gone."""
        statement = select(Organization.id).where(is_one_of(Organization.id, organization_ids))
        return list(set(organization_ids).difference((await self._session.scalars(statement)).all()))

    async def list_after(
        self, wanted: EventFilter, cursor: StreamCursor, end: Snapshot, limit: int
    ) -> Sequence[ActivityEvent]:
        """Return what a reader at `cursor` has not had of what was visible at `end`: `limit` events at most."""
        conditions = (*wanted.conditions(), *_became_visible(cursor.begin, end))
        if cursor.after is not None:
            conditions = (*conditions, tuple_(ActivityEvent.created_at, ActivityEvent.id) > cursor.after)
        return await self._list(conditions, limit)

    async def _list(self, conditions: Sequence[ColumnElement[bool]], limit: int) -> Sequence[ActivityEvent]:
        statement = select(ActivityEvent).where(*conditions)
        ordered = statement.order_by(ActivityEvent.created_at, ActivityEvent.id).limit(limit)
        return (await self._session.scalars(ordered)).all()


def _became_visible(begin: Snapshot | datetime, end: Snapshot) -> tuple[ColumnElement[bool], ...]:
    if isinstance(begin, datetime):
        # What a backup of another server brought is there, whatever the transactions of that one were numbered.
        return ActivityEvent.created_at >= begin, or_(_is_visible(end), not_(_was_written_here()))
    return _was_invisible(begin), _is_visible(end), _was_written_here()


def _is_visible(snapshot: Snapshot) -> ColumnElement[bool]:
    return and_(ActivityEvent.transaction_id < snapshot.limit, not_(_was_under_way(snapshot)))


def _was_invisible(snapshot: Snapshot) -> ColumnElement[bool]:
    """Return the opposite of `_is_visible`, in a form that an index answers."""
    return or_(ActivityEvent.transaction_id >= snapshot.limit, _was_under_way(snapshot))


def _was_under_way(snapshot: Snapshot) -> ColumnElement[bool]:
    if not snapshot.under_way:
        return false()
    return ActivityEvent.transaction_id == any_(literal(list(snapshot.under_way), ARRAY(BigInteger)))


def _was_written_here() -> ColumnElement[bool]:
    """Return whether the row comes from the transaction that it names, not from a backup of another server.

    `xmin` is the transaction that put the row into this table: 32 bits, and that of a savepoint comes later.
    """
    put_here = cast(cast(literal_column(f"{ActivityEvent.__tablename__}.xmin"), Text), BigInteger)
    return put_here >= ActivityEvent.transaction_id.op("&")(_32_BITS)
