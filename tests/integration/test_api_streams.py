"""What the streams tell of, to whom, and from where they go on."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from app.api.stream_messages import load_approvals, load_tasks
from app.db.plugin import DatabasePlugin
from app.models import ActivityEvent
from app.services import streams
from tests.integration.conftest import Stranger
from tests.support.api import AGENTS, BOARDS, GROUPS, MINIMAL, create, register
from tests.support.boards import become, grant
from tests.support.database import query
from tests.support.sse import reading, responding
from tests.support.streams import insert_event

COMMENTS = "/api/v1/activity/task-comments"


async def test_tasks_stream_tells_of_tasks_and_their_comments(
    app: Litestar, client: httpx.AsyncClient, tasks_url: str
) -> None:
    async with reading(app, f"{tasks_url}/stream") as stream:
        task = await create(client, tasks_url, title="Splice")
        created = await stream.next()
        assert (created.name, created.type) == ("task", "task.created")
        assert (created.data["task"], created.data["comment"]) == (task, None)
        assert created.data["activity"]["message"] == "Splice"
        comment = await create(client, f"{tasks_url}/{task['id']}/comments", message="soon")
        commented = await stream.next()
        assert (commented.type, commented.data["comment"]) == ("task.comment", comment)
        await client.delete(f"{tasks_url}/{task['id']}")
        deleted = await stream.next()
        assert (deleted.type, deleted.data["task"]) == ("task.deleted", None)
        assert deleted.data["activity"]["task_id"] == task["id"]


async def test_agents_stream_tells_of_agents_and_has_their_nudges(
    app: Litestar, client: httpx.AsyncClient, crew: dict[str, Any], database_url: str
) -> None:
    async with reading(app, f"{AGENTS}/stream?board_id={crew['id']}") as stream:
        agent = await register(client, crew)
        created = await stream.next()
        assert (created.name, created.type) == ("agent", "agent.created")
        assert created.data["agent"] == (await client.get(f"{AGENTS}/{agent['id']}")).json()
        insert_event(database_url, crew, "agent.nudged", subject_id=agent["id"], message="wake up")
        nudged = await stream.next()
        assert (nudged.type, nudged.data["activity"]["message"]) == ("agent.nudged", "wake up")
        await client.delete(f"{AGENTS}/{agent['id']}")
        deleted = await stream.next()
        assert (deleted.type, deleted.data["agent"]) == ("agent.deleted", None)


async def test_board_is_told_that_an_agent_has_left_it(
    app: Litestar, client: httpx.AsyncClient, crew: dict[str, Any]
) -> None:
    agent = await register(client, crew)
    async with reading(app, f"{AGENTS}/stream?board_id={crew['id']}") as stream:
        await client.patch(f"{AGENTS}/{agent['id']}", json={"board_id": None})
        left = await stream.next()
        assert (left.type, left.data["agent"]["board_id"]) == ("agent.left", None)


async def test_agent_is_not_shown_on_from_where_it_has_gone(
    app: Litestar, client: httpx.AsyncClient, crew: dict[str, Any]
) -> None:
    """Whoever reads the board that it has left need not be one who reads the board that it is on."""
    other = await create(client, BOARDS, **{**MINIMAL, "slug": "other"})
    agent = await register(client, crew)
    await client.patch(f"{AGENTS}/{agent['id']}", json={"board_id": other["id"]})
    async with reading(app, f"{AGENTS}/stream?board_id={crew['id']}&since=2026-01-01T00:00:00Z") as stream:
        told = await stream.take(2)
        assert [(event.type, event.data["agent"]) for event in told] == [("agent.created", None), ("agent.left", None)]


async def test_approvals_stream_tells_of_approvals_and_how_many_wait(
    app: Litestar, client: httpx.AsyncClient, board: dict[str, Any]
) -> None:
    url = f"{BOARDS}/{board['id']}/approvals"
    async with reading(app, f"{url}/stream") as stream:
        approval = await create(client, url, action_type="deploy", confidence=80)
        created = await stream.next()
        assert (created.name, created.data["approval"]) == ("approval", approval)
        assert created.data["pending_approvals_count"] == 1
        approved = (await client.patch(f"{url}/{approval['id']}", json={"status": "approved"})).json()
        resolved = await stream.next()
        assert (resolved.type, resolved.data["approval"]) == ("approval.approved", approved)
        assert resolved.data["pending_approvals_count"] == 0
        assert not {"task_counts"} & (created.data.keys() | resolved.data.keys()), "it names no task"


async def test_approvals_stream_tells_how_many_approvals_name_each_task(
    app: Litestar, client: httpx.AsyncClient, tasks_url: str
) -> None:
    url = tasks_url.replace("tasks", "approvals")
    one, two = [(await create(client, tasks_url, title=title))["id"] for title in ("Splice", "Stow")]
    decided = {"action_type": "deploy", "confidence": 80, "status": "approved"}
    await create(client, url, **decided, task_id=one)
    async with reading(app, f"{url}/stream") as stream:
        await create(client, url, action_type="deploy", confidence=80, task_id=one)
        of_one = (await stream.next()).data["task_counts"]
        await create(client, url, **decided, task_ids=[two, one])
        of_both = (await stream.next()).data["task_counts"]
    assert of_one == {"task_id": one, "approvals_count": 2, "approvals_pending_count": 1}
    assert of_both == [
        {"task_id": two, "approvals_count": 1, "approvals_pending_count": 0},
        {"task_id": one, "approvals_count": 3, "approvals_pending_count": 1},
    ]


@pytest.mark.parametrize("place", ["board", "group", "group of the board"])
async def test_memory_streams_tell_of_memory_and_of_the_chat_alone_if_asked(
    app: Litestar, client: httpx.AsyncClient, grouped: dict[str, Any], group: dict[str, Any], place: str
) -> None:
    url = {
        "board": f"{BOARDS}/{grouped['id']}/memory",
        "group": f"{GROUPS}/{group['id']}/memory",
        "group of the board": f"{BOARDS}/{grouped['id']}/group-memory",
    }[place]
    async with (
        reading(app, f"{url}/stream") as everything,
        reading(app, f"{url}/stream?is_chat=true") as chat,
        reading(app, f"{url}/stream?is_chat=false") as rest,
    ):
        fact = await create(client, url, content="tide at six")
        word = await create(client, url, content="hello", tags=["chat"])
        assert [event.data["memory"] for event in await everything.take(2)] == [fact, word]
        assert (await chat.next()).data["memory"] == word
        assert (await rest.next()).data["memory"] == fact


async def test_comment_stream_is_the_comment_feed_as_it_grows(
    app: Litestar, client: httpx.AsyncClient, tasks_url: str
) -> None:
    task = await create(client, tasks_url, title="Splice")
    async with reading(app, f"{COMMENTS}/stream") as stream:
        await create(client, f"{tasks_url}/{task['id']}/comments", message="soon")
        event = await stream.next()
        (item,) = (await client.get(COMMENTS)).json()["items"]
        assert (event.name, event.data["comment"]) == ("comment", item)


async def test_stream_shows_its_board_alone(app: Litestar, client: httpx.AsyncClient, tasks_url: str) -> None:
    other = await create(client, BOARDS, **{**MINIMAL, "slug": "other"})
    async with reading(app, f"{tasks_url}/stream") as stream:
        await create(client, f"{BOARDS}/{other['id']}/tasks", title="elsewhere")
        here = await create(client, tasks_url, title="here")
        assert (await stream.next()).data["task"] == here


async def test_stream_begins_now_unless_asked_for_what_came_before(
    app: Litestar, client: httpx.AsyncClient, tasks_url: str
) -> None:
    first = await create(client, tasks_url, title="first")
    second = await create(client, tasks_url, title="second")
    async with (
        reading(app, f"{tasks_url}/stream") as now,
        reading(app, f"{tasks_url}/stream?since={second['created_at']}") as earlier,
        reading(app, f"{tasks_url}/stream?since=2026-01-01T00:00:00+02:00") as ever,
    ):
        third = await create(client, tasks_url, title="third")
        assert [event.data["task"] for event in await now.take(1)] == [third]
        assert [event.data["task"]["id"] for event in await earlier.take(2)] == [second["id"], third["id"]]
        assert [event.data["task"]["id"] for event in await ever.take(3)] == [first["id"], second["id"], third["id"]]


@pytest.mark.parametrize(
    "since",
    [
        *("yesterday", "2026-11-23T10:00:00", "2026-13-01T00:00:00Z", "1", "x" * 65),
        *("0001-01-01T00:00:00%2B00:01", "9999-12-31T23:59:59-00:01"),
    ],
)
async def test_since_is_a_time_with_an_offset(app: Litestar, tasks_url: str, since: str) -> None:
    async with responding(app, f"{tasks_url}/stream?since={since}") as stream:
        assert stream.status == 400


# Begins at a time that UTC has no year for.
TOO_EARLY = "k7kwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwkgWQwA"


@pytest.mark.parametrize("sent", ["1", "AAAA", "%%%", "é", "kw", "k8DAwA", TOO_EARLY, "x" * 2000])
async def test_last_event_id_is_one_that_a_stream_gave(app: Litestar, tasks_url: str, sent: str) -> None:
    async with responding(app, f"{tasks_url}/stream", last_event_id=sent) as stream:
        assert stream.status == 400


async def test_reader_goes_on_after_any_event_without_gap_or_double(
    app: Litestar, client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    async with reading(app, f"{tasks_url}/stream") as stream:
        await create(client, tasks_url, title="alone")
        insert_event(database_url, board, "task.updated", count=4)
        await create(client, tasks_url, title="last")
        told = await stream.take(6)
        await create(client, tasks_url, title="missed")
        ids = [event.data["activity"]["id"] for event in [*told, await stream.next()]]
    assert len(set(ids)) == 7
    for number, event in enumerate(told, start=1):
        async with reading(app, f"{tasks_url}/stream", last_event_id=event.id) as stream:
            assert [event.data["activity"]["id"] for event in await stream.take(7 - number)] == ids[number:]


async def test_nothing_of_another_organization_is_streamed(app: Litestar, stranger: Stranger) -> None:
    for path in ("tasks", "approvals", "memory", "group-memory"):
        async with responding(app, f"{BOARDS}/{stranger.board}/{path}/stream") as stream:
            assert stream.status == 404
    for url in (f"{AGENTS}/stream?board_id={stranger.board}", f"{COMMENTS}/stream?board_id={stranger.board}"):
        async with responding(app, url) as stream:
            assert stream.status == 404


async def test_stream_needs_a_token(app: Litestar, tasks_url: str) -> None:
    async with responding(app, f"{tasks_url}/stream", token="wrong") as stream:
        assert stream.status == 401


async def test_member_is_streamed_what_he_may_read(
    app: Litestar, client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    other = await create(client, BOARDS, **{**MINIMAL, "slug": "other"})
    become(database_url, "member")
    grant(database_url, board["id"], reads=True, writes=False)
    async with reading(app, f"{AGENTS}/stream") as stream:
        insert_event(database_url, other, "agent.nudged", message="elsewhere")
        insert_event(database_url, board, "agent.nudged", message="here")
        assert (await stream.next()).data["activity"]["message"] == "here"


async def test_stream_ends_when_its_reader_may_not_read_the_board_any_more(
    app: Litestar, client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    become(database_url, "member")
    grant(database_url, board["id"], reads=True, writes=False)
    async with reading(app, f"{tasks_url}/stream") as stream:
        query(database_url, "DELETE FROM board_access")
        # In one transaction with what he must not see.
        insert_event(database_url, board, "member.access_changed", "task.updated")
        assert await stream.block() is None


async def test_stream_ends_when_its_agent_is_deleted_or_has_another_token(
    app: Litestar, client: httpx.AsyncClient, crew: dict[str, Any], tasks_url: str
) -> None:
    deleted, renewed = await register(client, crew), await register(client, crew, name="Mate")
    async with (
        reading(app, f"{tasks_url}/stream", token=deleted["token"]) as first,
        reading(app, f"{tasks_url}/stream", token=renewed["token"]) as second,
    ):
        assert (await client.delete(f"{AGENTS}/{deleted['id']}")).status_code == 204
        assert await first.block() is None
        assert (await client.post(f"{AGENTS}/{renewed['id']}/token")).status_code == 200
        assert await second.block() is None


async def test_stream_ends_with_its_board(
    app: Litestar, client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str
) -> None:
    async with reading(app, f"{tasks_url}/stream") as stream:
        await client.delete(f"{BOARDS}/{board['id']}")
        assert await stream.block() is None


async def test_nothing_is_told_of_a_board_that_is_gone_by_then(
    app: Litestar, client: httpx.AsyncClient, board: dict[str, Any], second: dict[str, Any]
) -> None:
    place = {"organization_id": UUID(board["organization_id"]), "board_id": UUID(board["id"])}
    event = ActivityEvent(id=uuid4(), event_type="task.deleted", created_at=datetime.now(UTC), **place)
    wanted = streams.EventFilter(place["organization_id"], "task.", frozenset({place["board_id"]}))

    async def told() -> list[int]:
        async with app.plugins.get(DatabasePlugin).sessions() as session:
            loads = (load_tasks, load_approvals)
            return [len(await load(session, streams.Topic("news", wanted, load), [event])) for load in loads]

    assert await told() == [1, 1]
    await client.delete(f"{BOARDS}/{board['id']}")
    assert await told() == [0, 0]


async def test_stream_ends_when_its_reader_goes_to_another_organization(
    app: Litestar, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_ADMITTED_FOR", 0.05)
    async with reading(app, f"{AGENTS}/stream") as stream:
        await create(client, "/api/v1/organizations", name="Other")
        assert await stream.block() is None


async def test_quiet_stream_gives_signs_of_life(app: Litestar, tasks_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert streams._SILENT_FOR == 15
    monkeypatch.setattr(streams, "_SILENT_FOR", 0.05)
    async with reading(app, f"{tasks_url}/stream") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        assert [await stream.block() for _ in range(3)] == [b": still here"] * 3
