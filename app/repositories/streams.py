"""What the streams show of the activity, and reading it as it becomes visible."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, not_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import ActivityEvent, Board, Organization
from app.repositories.base import is_one_of
from app.repositories.reach import Reach
from app.repositories.visibility import Place, Visibility, current, written_here


class Shown(NamedTuple):
    """Which events: of an organization and a kind, on these boards (None: all), or in one group.

    `kind` is what an event type begins with, or the whole of it. `beside_boards` adds what is on no board.
    """

    organization_id: UUID
    kind: str
    board_ids: frozenset[UUID] | None = None
    beside_boards: bool = False
    board_group_id: UUID | None = None

    @property
    def is_of_groups(self) -> bool:
        """Whether it is what groups of boards have, also where it is of no group as yet."""
        return self.kind.startswith("board_group")

    def has(self, event: ActivityEvent) -> bool:
        """As `condition`, of an event that was read."""
        if event.organization_id != self.organization_id or not event.event_type.startswith(self.kind):
            return False
        if self.board_group_id is not None:
            return event.board_group_id == self.board_group_id
        if self.board_ids is None or event.board_id in self.board_ids:
            return True
        return self.beside_boards and event.board_id is None and event.board_group_id is None

    def has_board(self, board_id: UUID | None) -> bool:
        """Whether who reads it may read this board as well; None is no board."""
        return self.board_ids is None or board_id is None or board_id in self.board_ids

    def condition(self) -> tuple[ColumnElement[bool], ...]:
        ours = ActivityEvent.organization_id == self.organization_id
        kind = ActivityEvent.event_type.startswith(self.kind, autoescape=True)
        if self.board_group_id is not None:
            return ours, kind, ActivityEvent.board_group_id == self.board_group_id
        if self.board_ids is None:
            return ours, kind
        board_id = ActivityEvent.board_id
        on_them = is_one_of(board_id, self.board_ids)
        beside = board_id.is_(None) & ActivityEvent.board_group_id.is_(None)
        return ours, kind, or_(on_them, beside) if self.beside_boards else on_them


class StreamRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def now(self) -> Visibility:
        """What is visible now."""
        return Visibility.parse((await self._session.scalars(select(current()))).one())

    async def readable_boards(self, reach: Reach) -> frozenset[UUID] | None:
        """The boards that the caller may read; None where that is all."""
        if reach.reads_all:
            return None
        statement = select(Board.id).where(Board.organization_id == reach.organization_id, reach.readable(Board.id))
        return frozenset((await self._session.scalars(statement)).all())

    async def between(
        self, organization_ids: Collection[UUID], begin: Visibility, end: Visibility, most: int
    ) -> Sequence[ActivityEvent]:
        """What became visible in these organizations from `begin` until `end`; no more than `most`."""
        ours = is_one_of(ActivityEvent.organization_id, organization_ids)
        return await self._read((ours, *_became_visible(begin, end)), most)

    async def deleted(self, organization_ids: Collection[UUID]) -> list[UUID]:
        """Return those of these organizations that are gone."""
        statement = select(Organization.id).where(is_one_of(Organization.id, organization_ids))
        return list(set(organization_ids).difference((await self._session.scalars(statement)).all()))

    async def missed(self, shown: Shown, place: Place, end: Visibility, most: int) -> Sequence[ActivityEvent]:
        """Of what is shown that which a reader at `place` has not had, and which was visible at `end`; as `between`."""
        conditions = (*shown.condition(), *_became_visible(place.begin, end))
        if place.after is not None:
            conditions = (*conditions, tuple_(ActivityEvent.created_at, ActivityEvent.id) > place.after)
        return await self._read(conditions, most)

    async def _read(self, conditions: Sequence[ColumnElement[bool]], most: int) -> Sequence[ActivityEvent]:
        statement = select(ActivityEvent).where(*conditions)
        ordered = statement.order_by(ActivityEvent.created_at, ActivityEvent.id).limit(most)
        return (await self._session.scalars(ordered)).all()


def _became_visible(begin: Visibility | datetime, end: Visibility) -> tuple[ColumnElement[bool], ...]:
    transaction_id = ActivityEvent.transaction_id
    if isinstance(begin, datetime):
        # What a backup of another server brought is there, whatever the transactions of that one were numbered.
        return ActivityEvent.created_at >= begin, or_(end.shows(transaction_id), not_(written_here(transaction_id)))
    return begin.hides(transaction_id), end.shows(transaction_id), written_here(transaction_id)
