"""Which events a stream shows: the database and the hub, which has read them, choose the same ones."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

from litestar import Litestar
from sqlalchemy import select

from app.core.stream_cursor import Snapshot, StreamCursor
from app.db.plugin import DatabasePlugin
from app.models import ActivityEvent
from app.repositories.access import AccessScope
from app.repositories.streams import EventFilter, StreamRepository
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


async def test_what_became_visible_is_what_one_snapshot_lacks_and_the_other_has(
    app: Litestar, database_url: str
) -> None:
    """A backup of another server brings what names transactions of that one, as if they were to come."""
    insert(database_url, "organizations", id=OURS, name="")
    now = datetime.now(UTC)
    ages = {number: timedelta(hours=number) for number in range(1, 7)}
    async with app.plugins.get(DatabasePlugin).sessions() as session:
        streams = StreamRepository(session=session)
        current = (await streams.current_snapshot()).limit
        by_age = dict(
            zip(ages, (current - 4, current - 3, current - 2, current - 1, current, current + 2**20), strict=True)
        )
        for hours, transaction in by_age.items():
            place = {"organization_id": OURS, "event_type": "task.created", "created_at": now - ages[hours]}
            insert(database_url, "activity_events", id=UUID(int=hours), **place, transaction_id=transaction)
        wanted, beginning = EventFilter(OURS, ""), now - ages[5] - timedelta(minutes=1)
        all_, late = Snapshot(current + 2**21), Snapshot(current - 1, (current - 4,))
        cases: list[tuple[Snapshot | datetime, Snapshot, list[int]]] = [
            (Snapshot(current - 4), all_, [5, 4, 3, 2, 1]),
            (Snapshot(current - 2), all_, [5, 4, 3]),
            (late, all_, [5, 4, 1]),
            (Snapshot(current - 4), late, [3, 2]),
            (beginning, all_, [5, 4, 3, 2, 1]),
            (beginning, late, [3, 2]),
            (beginning - ages[6], late, [6, 3, 2]),
            (beginning - ages[6], all_, [6, 5, 4, 3, 2, 1]),
        ]
        for begin, end, expected in cases:
            found = await streams.list_after(wanted, StreamCursor(begin, end), end, 10)
            assert [event.id.int for event in found] == expected, (begin, end)
        first = await streams.list_after(wanted, StreamCursor(beginning, all_), all_, 2)
        assert [event.id.int for event in first] == [5, 4]
        after = StreamCursor(beginning, all_, (first[-1].created_at, first[-1].id))
        assert [event.id.int for event in await streams.list_after(wanted, after, all_, 2)] == [3, 2]
        for organizations, count in (([OURS], 2), ([THEIRS, OURS], 2), ([THEIRS], 0)):
            found = await streams.list_between(organizations, Snapshot(current - 4), all_, 2)
            assert [event.id.int for event in found] == [5, 4][:count]


def test_reader_of_all_boards_or_of_one_may_read_what_is_on_none() -> None:
    for boards, expected in ((ALL, [True] * 3), (NONE, [True, False, False]), (ONE, [True, True, False])):
        wanted = EventFilter(OURS, "task.", boards)
        assert [wanted.includes_board(board) for board in (None, BOARD, OTHER_BOARD)] == expected
    assert not EventFilter(OURS, "", ONE).beside_boards
    assert [EventFilter(OURS, kind).is_of_groups for kind in ("board_group_memory.", "task.")] == [True, False]


async def test_readers_boards_are_those_of_his_organization_that_he_may_read(app: Litestar, database_url: str) -> None:
    url, user = database_url, insert(database_url, "users", subject="reader")
    for organization in (OURS, THEIRS):
        insert(url, "organizations", id=organization, name="")
    member = insert(url, "organization_members", organization_id=OURS, user_id=user, role="member")
    for organization, board in ((OURS, BOARD), (OURS, OTHER_BOARD), (THEIRS, GROUP)):
        insert(url, "boards", id=board, organization_id=organization, name="", slug=str(board), description="")
    # Nothing of another organization's is his, whatever he was granted.
    grant = {"organization_id": OURS, "organization_member_id": member, "can_read": True, "can_write": False}
    for board in (BOARD, GROUP):
        insert(url, "board_access", **grant, board_id=board)
    async with app.plugins.get(DatabasePlugin).sessions() as session:
        streams = StreamRepository(session=session)
        assert await streams.readable_board_ids(AccessScope(OURS, member_id=member)) == ONE
        assert await streams.readable_board_ids(AccessScope(OURS, member_id=member, reads_all=True)) is None
        assert await streams.deleted_organization_ids([OURS, OTHER_GROUP]) == [OTHER_GROUP]
