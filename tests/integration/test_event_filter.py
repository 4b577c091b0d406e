"""Which events a stream shows: the database and the hub, which has read them, choose the same ones."""

from itertools import product
from uuid import UUID

from litestar import Litestar
from sqlalchemy import select

from app.db.plugin import DatabasePlugin
from app.models import ActivityEvent
from app.repositories.streams import EventFilter
from tests.support.database import insert

OURS, THEIRS, BOARD, OTHER_BOARD, GROUP, OTHER_GROUP = (UUID(int=number) for number in range(1, 7))
TYPES = ("task.created", "task.commented", "task_created", "board_group_memory.created")
KINDS = ("", "task.", "task.created", "task_", "board_group")
ALL, NONE, ONE = None, frozenset[UUID](), frozenset({BOARD})


def is_chosen(wanted: EventFilter, event: ActivityEvent) -> bool:
    if event.organization_id != wanted.organization_id or not event.event_type.startswith(wanted.kind):
        return False
    if wanted.board_group_id is not None:
        return event.board_group_id == wanted.board_group_id
    on_board = wanted.board_ids is None or event.board_id in wanted.board_ids
    return on_board or (wanted.beside_boards and event.board_id is None and event.board_group_id is None)


async def test_filter_chooses_the_same_events_in_the_database_and_of_those_that_were_read(
    app: Litestar, database_url: str
) -> None:
    for organization in (OURS, THEIRS):
        insert(database_url, "organizations", id=organization, name="")
    places = product((OURS, THEIRS), (None, BOARD, OTHER_BOARD), (None, GROUP, OTHER_GROUP), TYPES)
    names = ("organization_id", "board_id", "board_group_id", "event_type")
    filters = [
        EventFilter(OURS, kind, boards, beside, group)
        for kind, boards, beside, group in product(KINDS, (ALL, NONE, ONE), (False, True), (None, GROUP))
    ]
    async with app.plugins.get(DatabasePlugin).sessions() as session:
        session.add_all(ActivityEvent(**dict(zip(names, place, strict=True))) for place in places)
        await session.flush()
        events = (await session.scalars(select(ActivityEvent))).all()
        assert len(events) == 72
        for wanted in filters:
            expected = {event.id for event in events if is_chosen(wanted, event)}
            assert {event.id for event in events if wanted.matches(event)} == expected, wanted
            found = await session.scalars(select(ActivityEvent.id).where(*wanted.conditions()))
            assert set(found) == expected, wanted


def test_reader_of_all_boards_or_of_one_may_read_what_is_on_none() -> None:
    for boards, expected in ((ALL, [True] * 3), (NONE, [True, False, False]), (ONE, [True, True, False])):
        wanted = EventFilter(OURS, "task.", boards)
        assert [wanted.includes_board(board) for board in (None, BOARD, OTHER_BOARD)] == expected
    assert not EventFilter(OURS, "", ONE).beside_boards
    assert [EventFilter(OURS, kind).is_of_groups for kind in ("board_group_memory.", "task.")] == [True, False]
