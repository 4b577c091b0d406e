"""Streams under what happens in a database: transactions out of order, bursts, lost connections, several processes."""

from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text

from app.asgi import create_app
from app.repositories.streams import StreamRepository
from app.services import stream_hub
from tests.conftest import client_of, settings_for, started
from tests.support.api import create
from tests.support.database import query, unpooled
from tests.support.sent_statements import statements_of
from tests.support.sse import Event, Stream, reading
from tests.support.streams import insert_event


@pytest.fixture
def only_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks in his own time."""
    monkeypatch.setattr(stream_hub, "_POLL_EVERY", 3600.0)


def activity(events: list[Event]) -> list[str]:
    return [event.data["activity"]["message"] for event in events]


async def test_transaction_that_commits_late_is_told_of_late_and_once(
    app: Litestar, client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    engine = unpooled(database_url)
    insert = text(
        "INSERT INTO activity_events (id, organization_id, board_id, event_type, message)"
        " SELECT gen_random_uuid(), organization_id, id, 'task.updated', 'early, and late' FROM boards"
    )
    async with reading(app, f"{tasks_url}/stream") as stream:
        with engine.connect() as late, late.begin():
            late.execute(insert)
            insert_event(database_url, board, "task.updated", message="late, and early", count=2)
            first, last = await stream.take(2)
        (second,) = activity([await stream.next()])
        insert_event(database_url, board, "task.updated", message="after both")
        (third,) = activity([await stream.next()])
    assert activity([first, last]) == ["late, and early"] * 2
    assert (second, third) == ("early, and late", "after both")
    for had, others in ((first, ["late, and early"]), (last, [])):
        async with reading(app, f"{tasks_url}/stream", last_event_id=had.id) as stream:
            assert activity(await stream.take(len(others) + 2)) == [*others, "early, and late", "after both"]


async def test_reader_who_was_away_for_long_has_all_of_it_page_by_page(
    app: Litestar, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    async with reading(app, f"{tasks_url}/stream") as stream:
        insert_event(database_url, board, "task.updated", message="seen")
        seen = await stream.next()
    # The last event of the first page is the first one of its transaction.
    sizes = (199, 101, 150)
    for number, size in enumerate(sizes):
        insert_event(database_url, board, "task.updated", count=size, message=str(number))
    had = [seen]
    # They leave within a page, and at the end of one.
    for count in (225, 200, 25):
        async with reading(app, f"{tasks_url}/stream", last_event_id=had[-1].id) as stream:
            had += await stream.take(count)
    assert activity(had) == ["seen", *(str(number) for number, size in enumerate(sizes) for _ in range(size))]
    assert len({event.data["activity"]["id"] for event in had}) == 451


async def test_burst_that_no_look_keeps_reaches_its_readers(
    app: Litestar, board: dict[str, Any], tasks_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_hub, "_KEPT_EVENTS", 10)
    async with reading(app, f"{tasks_url}/stream") as stream:
        for size in (1, 11, 1):
            insert_event(database_url, board, "task.updated", count=size, message=str(size))
            assert activity(await stream.take(size)) == [str(size)] * size


async def test_slow_reader_reads_the_table_himself(
    app: Litestar, board: dict[str, Any], tasks_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_hub, "_KEPT_BATCHES", 0)
    async with reading(app, f"{tasks_url}/stream") as stream:
        for number in range(3):
            insert_event(database_url, board, "task.updated", message=str(number))
        assert activity(await stream.take(3)) == ["0", "1", "2"]


async def test_what_a_backup_brought_is_no_news(
    app: Litestar, board: dict[str, Any], tasks_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events name transactions of another server, which have numbers of this one, too."""
    restore = (
        "INSERT INTO activity_events (id, organization_id, board_id, event_type, message, transaction_id)"
        " SELECT gen_random_uuid(), organization_id, id, 'task.updated', 'restored',"
        " pg_current_xact_id()::text::bigint + :ahead FROM boards"
    )
    async with reading(app, f"{tasks_url}/stream") as stream:
        monkeypatch.setattr(stream_hub, "_POLL_EVERY", 0.01)
        for ahead in (3, 5, 2**33, 2**60):
            query(database_url, restore, ahead=ahead)
        seen = []
        for number in range(8):
            insert_event(database_url, board, "task.updated", message=f"news {number}")
            seen += activity([await stream.next()])
    assert seen == [f"news {number}" for number in range(8)]


async def test_another_process_hears_of_a_commit(
    app: Litestar, replica: Litestar, client: httpx.AsyncClient, tasks_url: str, only_told: None
) -> None:
    async with client_of(replica) as elsewhere, reading(app, f"{tasks_url}/stream") as stream:
        for number in range(3):
            task = await create(elsewhere, tasks_url, title=f"from elsewhere {number}")
            assert (await stream.next()).data["task"] == task


async def test_streams_go_on_when_the_database_has_ended_all_connections(
    app: Litestar, client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    async with reading(app, f"{tasks_url}/stream") as stream:
        insert_event(database_url, board, "task.updated", message="before")
        assert activity([await stream.next()]) == ["before"]
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        query(database_url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        insert_event(database_url, board, "task.updated", message="after")
        assert activity([await stream.next()]) == ["after"]


async def test_streams_go_on_after_an_error_that_nobody_thought_of(
    app: Litestar,
    board: dict[str, Any],
    tasks_url: str,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(stream_hub, "_RETRY_AFTER", 0.01)
    between = StreamRepository.list_between
    failures = iter([RuntimeError("not of the database")])

    async def fail_once(*args: Any) -> Any:
        for failure in failures:
            raise failure
        return await between(*args)

    async with reading(app, f"{tasks_url}/stream") as stream:
        insert_event(database_url, board, "task.updated", message="from the table")
        await stream.next()
        monkeypatch.setattr(StreamRepository, "list_between", fail_once)
        insert_event(database_url, board, "task.updated", message="told all the same")
        assert activity([await stream.next()]) == ["told all the same"]
    assert "streams wait: an unexpected error" in capsys.readouterr().err


async def test_many_streams_hold_few_connections_and_make_each_message_once(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    few = settings_for(database_url, db_pool_size=2, db_max_overflow=0)
    async with started(create_app(few)) as app, client_of(app) as writer, AsyncExitStack() as stack:
        streams: list[Stream] = [
            await stack.enter_async_context(reading(app, f"{tasks_url}/stream")) for _ in range(100)
        ]
        first = await create(writer, tasks_url, title="first")
        assert all([(await stream.next()).data["task"] == first for stream in streams])
        async with statements_of(app) as asked:
            second = await create(writer, tasks_url, title="second")
            assert all([(await stream.next()).data["task"] == second for stream in streams])
        assert len([statement for statement in asked if "FROM task_tags" in statement]) == 1, "to tell all of them"
        ((connections,),) = query(
            database_url,
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'plimsoll%'"
            " AND datname = current_database() AND pid <> pg_backend_pid()",
        )
    # The application's two, the listening one; and those of the fixture that made the board.
    assert int(str(connections)) <= 6
