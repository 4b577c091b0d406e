"""What the log says of each change: what was done, where, to what, and by whom."""

from typing import Any

import httpx
import pytest
from litestar import Litestar

from tests.conftest import client_of
from tests.integration.conftest import SignIn, Staff
from tests.support.api import AGENTS, BOARDS, GROUPS, ORGANIZATION, register
from tests.support.database import query

Event = tuple[str, str | None, dict[str, str]]


class Log:
    """The events that have been written since it was last read, oldest first."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._seen: set[str] = set()
        self.new()

    def new(self) -> list[Event]:
        names = ("board_group_id", "board_id", "task_id", "subject_id", "user_id", "agent_id")
        statement = f"SELECT id, event_type, message, {', '.join(names)} FROM activity_events ORDER BY created_at, id"
        rows = [row for row in query(self._url, statement) if str(row[0]) not in self._seen]
        self._seen |= {str(row[0]) for row in rows}
        return [
            (row[1], row[2], {name: str(value) for name, value in zip(names, row[3:], strict=True) if value})
            for row in rows
        ]


@pytest.fixture
def log(database_url: str, me: dict[str, Any]) -> Log:
    return Log(database_url)


async def done(request: Any) -> Any:
    response = await request
    assert response.is_success, response.text
    return response.json() if response.content else None


async def test_change_of_a_board_or_a_group_is_logged(client: httpx.AsyncClient, log: Log, me: dict[str, Any]) -> None:
    by_me = {"user_id": me["id"]}
    group = await done(client.post(GROUPS, json={"name": "Fleet", "slug": "fleet"}))
    in_group = {"board_group_id": group["id"], **by_me}
    assert log.new() == [("board_group.created", "Fleet", in_group)]
    fields = {"name": "Deck", "slug": "deck", "description": "", "board_group_id": group["id"]}
    board = await done(client.post(BOARDS, json=fields))
    on_board = {"board_id": board["id"], **by_me}
    assert log.new() == [("board.created", "Deck", on_board)]
    await done(client.patch(f"{BOARDS}/{board['id']}", json={"name": "Quay", "slug": "quay"}))
    assert log.new() == [("board.updated", "name, slug", on_board)]
    memory = await done(client.post(f"{BOARDS}/{board['id']}/memory", json={"content": "ahoy"}))
    assert log.new() == [("board_memory.created", "ahoy", {**on_board, "subject_id": memory["id"]})]
    memory = await done(client.post(f"{BOARDS}/{board['id']}/group-memory", json={"content": "all hands"}))
    assert log.new() == [("board_group_memory.created", "all hands", {**in_group, "subject_id": memory["id"]})]
    await done(client.patch(f"{GROUPS}/{group['id']}", json={"name": "Armada", "description": "all"}))
    assert log.new() == [("board_group.updated", "name, description", in_group)]
    await done(client.delete(f"{GROUPS}/{group['id']}"))
    assert log.new() == [("board_group.deleted", "Armada", in_group)]
    await done(client.delete(f"{BOARDS}/{board['id']}"))
    assert log.new() == [("board.deleted", "Quay", on_board)]


async def test_change_of_a_task_is_logged(
    client: httpx.AsyncClient, log: Log, me: dict[str, Any], crew: dict[str, Any], tasks_url: str, signed_in: SignIn
) -> None:
    lead, mate = [await register(client, crew, name=name) for name in ("Lead", "Mate")]
    log.new()
    task = await done(client.post(tasks_url, json={"title": "Splice", "status": "in_progress"}))
    about = {"board_id": crew["id"], "task_id": task["id"]}
    by_me, by_lead = {**about, "user_id": me["id"]}, {**about, "agent_id": lead["id"]}
    assert log.new() == [("task.created", "Splice", by_me), ("task.status_changed", "inbox → in_progress", by_me)]
    same = await done(client.patch(f"{tasks_url}/{task['id']}", json={"status": "in_progress"}))
    assert (same["in_progress_at"], log.new()) == (task["in_progress_at"], [])
    changes = {"title": "Splice it", "description": "x", "status": "review", "comment": "@Mate: ready"}
    await done((await signed_in(lead)).patch(f"{tasks_url}/{task['id']}", json=changes))
    commented, mentioned, moved, updated = log.new()
    ((comment,),) = query(log._url, "SELECT id::text FROM task_comments")
    assert commented == ("task.commented", "@Mate: ready", {**by_lead, "subject_id": comment})
    assert mentioned == ("agent.mentioned", "@Mate: ready", {**by_lead, "subject_id": mate["id"]})
    assert moved == ("task.status_changed", "in_progress → review", by_lead)
    assert updated == ("task.updated", "description, title", by_lead)
    await done(client.delete(f"{tasks_url}/{task['id']}"))
    assert log.new() == [("task.deleted", "Splice it", by_me)]


async def test_change_of_an_agent_is_logged(
    client: httpx.AsyncClient, log: Log, me: dict[str, Any], crew: dict[str, Any], signed_in: SignIn
) -> None:
    agent = await register(client, crew)
    url = f"{AGENTS}/{agent['id']}"
    ashore = {"subject_id": agent["id"], "user_id": me["id"]}
    aboard = {"board_id": crew["id"], **ashore}
    assert log.new()[-1] == ("agent.created", "Bosun", aboard)
    await done((await signed_in(agent)).post(f"{url}/heartbeat", json={}))
    by_itself = {"board_id": crew["id"], "subject_id": agent["id"], "agent_id": agent["id"]}
    assert log.new() == [("agent.status_changed", "provisioning → online", by_itself)]
    await done(client.post(f"{url}/token"))
    assert log.new() == [("agent.token_renewed", "Bosun", aboard)]
    mate = await register(client, crew, name="Mate")
    log.new()
    nudge = f"/api/v1/agent/boards/{crew['id']}/agents/{agent['id']}/nudge"
    await done((await signed_in(mate)).post(nudge, json={"message": "Up!"}))
    by_mate = {"board_id": crew["id"], "subject_id": agent["id"], "agent_id": mate["id"]}
    assert log.new() == [("agent.nudged", "Up!", by_mate)]
    await done(client.patch(url, json={"name": "Boatswain", "board_id": crew["id"]}))
    assert log.new() == [("agent.updated", "board_id, name", aboard)], "it has not moved"
    await done(client.patch(url, json={"board_id": None}))
    assert log.new() == [("agent.left", "Boatswain", aboard), ("agent.updated", "board_id", ashore)]
    await done(client.patch(url, json={"board_id": crew["id"]}))
    assert log.new() == [("agent.updated", "board_id", aboard)]
    await done(client.delete(url))
    assert log.new() == [("agent.deleted", "Boatswain", aboard)]


async def test_change_of_an_approval_is_logged(
    client: httpx.AsyncClient, log: Log, me: dict[str, Any], board: dict[str, Any], tasks_url: str
) -> None:
    url = f"{BOARDS}/{board['id']}/approvals"
    tasks = [await done(client.post(tasks_url, json={"title": title})) for title in ("a", "b")]
    log.new()
    body = {"action_type": "deploy", "confidence": 80}
    asked = await done(client.post(url, json={**body, "task_ids": [task["id"] for task in tasks]}))
    about = {"board_id": board["id"], "user_id": me["id"], "subject_id": asked["id"]}
    assert log.new() == [("approval.created", "deploy", {**about, "task_id": tasks[0]["id"]})]
    await done(client.patch(f"{url}/{asked['id']}", json={"status": "rejected"}))
    assert log.new() == [("approval.rejected", "deploy", {**about, "task_id": tasks[0]["id"]})]
    decided = await done(client.post(url, json={**body, "status": "approved"}))
    about["subject_id"] = decided["id"]
    assert log.new() == [("approval.created", "deploy", about), ("approval.approved", "deploy", about)]


async def test_change_of_a_webhook_is_logged(
    app: Litestar, client: httpx.AsyncClient, log: Log, me: dict[str, Any], board: dict[str, Any]
) -> None:
    webhook = await done(client.post(f"{BOARDS}/{board['id']}/webhooks", json={"description": "deploys"}))
    url = webhook["endpoint_path"]
    about = {"board_id": board["id"], "subject_id": webhook["id"], "user_id": me["id"]}
    assert log.new()[-1] == ("webhook.created", "deploys", about)
    await done(client.patch(url, json={"description": "releases"}))
    assert log.new() == [("webhook.updated", "releases", about)]
    async with client_of(app, token=None) as sender:
        await done(sender.post(url, content=b"{}"))
    ((payload,),) = query(log._url, "SELECT id::text FROM board_webhook_payloads")
    assert log.new() == [("webhook.received", "releases", {"board_id": board["id"], "subject_id": payload})]
    await done(client.delete(url))
    assert log.new() == [("webhook.deleted", "releases", about)]


async def test_change_of_who_belongs_to_an_organization_is_logged(
    client: httpx.AsyncClient, log: Log, staff: Staff
) -> None:
    member = str(staff.join("member", name="Jonah"))
    by_me = {"user_id": str(staff.my_user)}
    about = {"subject_id": member, **by_me}
    await done(client.patch(f"{ORGANIZATION}/members/{member}", json={"role": "admin"}))
    await done(client.put(f"{ORGANIZATION}/members/{member}/access", json={}))
    await done(client.delete(f"{ORGANIZATION}/members/{member}"))
    assert log.new() == [
        ("member.updated", "member → admin", about),
        ("member.access_changed", "Jonah", about),
        ("member.removed", "Jonah", about),
    ]
    invites = f"{ORGANIZATION}/invites"
    first, second = [await done(client.post(invites, json={"invited_email": "a@example.org"})) for _ in range(2)]
    await done(client.delete(f"{invites}/{first['id']}"))
    assert log.new() == [
        ("invite.created", "member", {**by_me, "subject_id": first["id"]}),
        ("invite.created", "member", {**by_me, "subject_id": second["id"]}),
        ("invite.deleted", "member", {**by_me, "subject_id": first["id"]}),
    ]
    staff.hand_over()
    joined = await done(client.post("/api/v1/organizations/invites/accept", json={"token": second["token"]}))
    assert log.new() == [("member.joined", "member", {**by_me, "subject_id": joined["id"]})]
    made = await done(client.post("/api/v1/organizations", json={"name": "Second"}))
    assert log.new() == [("organization.created", "Second", {**by_me, "subject_id": made["id"]})]


async def test_token_is_logged_by_its_scope_alone(client: httpx.AsyncClient, log: Log, me: dict[str, Any]) -> None:
    url = "/api/v1/users/me/tokens"
    token = await done(client.post(url, json={"name": "Laptop", "scope": "read"}))
    about = {"subject_id": token["id"], "user_id": me["id"]}
    assert log.new() == [("token.created", "read", about)]
    await done(client.delete(f"{url}/{token['id']}"))
    assert log.new() == [("token.revoked", "read", about)]
