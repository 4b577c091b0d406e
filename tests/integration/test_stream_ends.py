"""Who is not let in any more is out of his open streams within a second, at whichever replica they are."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from app.api.stream_hub import StreamPlugin
from app.core.stream_cursor import Snapshot
from app.models import ActivityEvent
from app.repositories.streams import EventFilter
from app.services import stream_hub, streams
from tests.conftest import TOKEN, client_of
from tests.integration.conftest import Staff
from tests.support.api import AGENTS, ME, register
from tests.support.furnished import People
from tests.support.sse import Stream, reading
from tests.support.waiting import loop_clock

WITHIN = 1.0


async def test_streams_end_within_a_second_at_another_replica(
    app: Litestar,
    replica: Litestar,
    client: httpx.AsyncClient,
    staff: Staff,
    crew: dict[str, Any],
    tasks_url: str,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Only what is told wakes them.
    monkeypatch.setattr(stream_hub, "_POLL_EVERY", 3600.0)
    people = People(database_url)
    colleagues = [people.user() for _ in range(4)]
    members = [people.join(str(staff.organization), user, "admin") for user in colleagues]
    tokens = [people.token(user) for user in colleagues]
    agents = [await register(client, crew), await register(client, crew, name="Mate")]
    # Who works elsewhere meanwhile can still revoke what his streams here were opened with.
    elsewhere = people.organization(colleagues[3], active=False)

    async def revoked() -> None:
        async with client_of(app, tokens[0].secret) as colleague:
            assert (await colleague.delete(f"{ME}/tokens/{tokens[0].id}")).status_code == 204

    async def removed() -> None:
        assert (await client.delete(f"/api/v1/organizations/me/members/{members[1]}")).status_code == 204

    async def left_for_good() -> None:
        async with client_of(app, tokens[2].secret) as colleague:
            assert (await colleague.delete(ME)).status_code == 204

    async def revoked_from_elsewhere() -> None:
        async with client_of(app, tokens[3].secret) as colleague:
            body = {"organization_id": elsewhere}
            assert (await colleague.patch("/api/v1/organizations/me/active", json=body)).status_code == 200
            assert (await colleague.delete(f"{ME}/tokens/{tokens[3].id}")).status_code == 204

    async def deleted() -> None:
        assert (await client.delete(f"{AGENTS}/{agents[0]['id']}")).status_code == 204

    async def renewed() -> None:
        assert (await client.post(f"{AGENTS}/{agents[1]['id']}/token")).status_code == 200

    ends: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        (tokens[0].secret, revoked),
        (tokens[1].secret, removed),
        (tokens[2].secret, left_for_good),
        (tokens[3].secret, revoked_from_elsewhere),
        (agents[0]["token"], deleted),
        (agents[1]["token"], renewed),
    ]
    async with AsyncExitStack() as stack:

        async def opened(token: str) -> Stream:
            return await stack.enter_async_context(reading(replica, f"{tasks_url}/stream", token=token))

        kept = await opened(TOKEN)
        streams = [await opened(token) for token, _ in ends]
        await client.post(tasks_url, json={"title": "before"})
        assert {(await stream.next()).data["task"]["title"] for stream in [kept, *streams]} == {"before"}
        for stream, (_, end) in zip(streams, ends, strict=True):
            async with loop_clock() as clock:
                await end()
                assert await stream.block() is None, end.__name__
                assert clock() < WITHIN, end.__name__
        await client.post(tasks_url, json={"title": "after"})
        assert (await kept.next()).data["task"]["title"] == "after"


@pytest.mark.parametrize("leaving", ["/api/v1/organizations/me", ME], ids=["organization", "its only member"])
async def test_streams_end_within_a_second_of_their_organizations_deletion(
    leaving: str, app: Litestar, replica: Litestar, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only what is told wakes them.
    monkeypatch.setattr(stream_hub, "_POLL_EVERY", 3600.0)
    people = People(database_url)
    user = people.user()
    people.organization(user)
    token = people.token(user).secret
    async with client_of(app, token) as owner, AsyncExitStack() as stack:
        board = (await owner.post("/api/v1/boards", json={"name": "B", "slug": "b", "description": "B"})).json()
        agent = (await register(owner, board))["token"]
        tasks = f"/api/v1/boards/{board['id']}/tasks"
        places = [(where, who) for where in (app, replica) for who in (token, agent)]
        open_ = [await stack.enter_async_context(reading(app_, f"{tasks}/stream", token=who)) for app_, who in places]
        await owner.post(tasks, json={"title": "before"})
        assert {(await stream.next()).data["task"]["title"] for stream in open_} == {"before"}
        async with loop_clock() as clock:
            assert (await owner.delete(leaving)).status_code == 204
            assert [await stream.block() for stream in open_] == [None] * 4
            assert clock() < WITHIN


async def test_stream_ends_within_a_second_of_its_readers_demotion(
    client: httpx.AsyncClient, replica: Litestar, staff: Staff, tasks_url: str, database_url: str
) -> None:
    people = People(database_url)
    colleague = people.user()
    member = people.join(str(staff.organization), colleague, "admin")
    token = people.token(colleague).secret
    async with reading(replica, f"{tasks_url}/stream", token=token) as stream, loop_clock() as clock:
        change = await client.patch(f"/api/v1/organizations/me/members/{member}", json={"role": "member"})
        assert change.status_code == 200
        assert await stream.block() is None
        assert clock() < WITHIN


async def test_stream_ends_within_a_second_of_its_tokens_expiry(
    app: Litestar, staff: Staff, tasks_url: str, database_url: str
) -> None:
    token = People(database_url).token(str(staff.my_user), expires="2 seconds")
    async with loop_clock() as clock, reading(app, f"{tasks_url}/stream", token=token.secret) as stream:
        assert await stream.block() is None
        assert clock() < 2 + WITHIN


async def test_who_is_out_does_not_wait_for_the_crowd(
    app: Litestar,
    client: httpx.AsyncClient,
    staff: Staff,
    tasks_url: str,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of all the streams those of the token alone are asked about, before others that ask, however many there are."""
    monkeypatch.setattr(streams, "_ADMITTED_FOR", 3600.0)
    asked: list[streams.Reader] = []
    recheck = streams.Reader._recheck_access

    async def count(self: streams.Reader, **how: bool) -> None:
        asked.append(self)
        await recheck(self, **how)

    monkeypatch.setattr(streams.Reader, "_recheck_access", count)
    token = People(database_url).token(str(staff.my_user))
    of_app = app.plugins.get(StreamPlugin)._hub
    assert of_app is not None
    async with AsyncExitStack() as stack:
        url = f"{tasks_url}/stream"
        crowd = [await stack.enter_async_context(reading(app, url)) for _ in range(20)]
        leaving = await stack.enter_async_context(reading(app, url, token=token.secret))
        await client.post(tasks_url, json={"title": "before"})
        assert {(await stream.next()).data["task"]["title"] for stream in [*crowd, leaving]} == {"before"}
        asked.clear()
        of_app._followed[uuid4()] = 1_000_000
        for _ in range(stream_hub._READING):
            await of_app._reading.acquire()
        assert (await client.delete(f"{ME}/tokens/{token.id}")).status_code == 204
        assert await leaving.block() is None
        for _ in range(stream_hub._READING):
            of_app._reading.release()
        await client.post(tasks_url, json={"title": "after"})
        assert {(await stream.next()).data["task"]["title"] for stream in crowd} == {"after"}
        assert len(asked) == 1


ORGANIZATION, BOARD, GROUP, ME_HERE = (uuid4() for _ in range(4))
NOBODY_ELSE: frozenset[UUID] = frozenset()
ON_BOARD = EventFilter(ORGANIZATION, "task.", frozenset({BOARD}))
EVERYWHERE = EventFilter(ORGANIZATION, "agent.", None, beside_boards=True)
IN_GROUP = EventFilter(ORGANIZATION, "board_group_memory.", NOBODY_ELSE, board_group_id=GROUP)
IN_NO_GROUP = EventFilter(ORGANIZATION, "board_group_memory.", NOBODY_ELSE)


@pytest.mark.parametrize(
    ("event", "concerned"),
    [
        ({"event_type": "token.revoked", "subject_id": ME_HERE}, {"board", "everywhere", "group", "no group"}),
        ({"event_type": "token.revoked", "subject_id": uuid4()}, set()),
        ({"event_type": "member.removed", "subject_id": ME_HERE}, {"board", "everywhere", "group", "no group"}),
        ({"event_type": "member.access_changed", "subject_id": uuid4()}, set()),
        ({"event_type": "agent.updated", "subject_id": ME_HERE}, {"board", "everywhere", "group", "no group"}),
        ({"event_type": "agent.status_changed", "subject_id": ME_HERE}, set()),
        ({"event_type": "board.deleted", "board_id": BOARD}, {"board", "group", "no group"}),
        ({"event_type": "board.deleted", "board_id": uuid4()}, {"group", "no group"}),
        ({"event_type": "board.updated", "board_id": BOARD}, {"group", "no group"}),
        ({"event_type": "board_group.deleted", "board_group_id": GROUP}, {"group", "no group"}),
        ({"event_type": "organization.created"}, {"board", "everywhere", "group", "no group"}),
        ({"event_type": "task.created", "board_id": BOARD}, set()),
        ({"event_type": "board.deleted", "board_id": BOARD, "organization_id": uuid4()}, set()),
    ],
    ids=lambda value: value["event_type"] if isinstance(value, dict) else "",
)
def test_event_is_a_reason_to_ask_for_those_whose_access_it_may_change(
    event: dict[str, Any], concerned: set[str]
) -> None:
    seen = Snapshot(1)
    batch = stream_hub.EventBatch(seen, seen, [ActivityEvent(**{"organization_id": ORGANIZATION, **event})])
    shown = {"board": ON_BOARD, "everywhere": EVERYWHERE, "group": IN_GROUP, "no group": IN_NO_GROUP}
    assert {name for name, what in shown.items() if batch.may_end_access(what, {ME_HERE, uuid4()})} == concerned
