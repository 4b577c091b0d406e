"""`litestar import mission-control`: each field of the old database is shown by the API as it was."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx

from tests.support.api import ACTIVITY, AGENTS, BOARDS, FIELDS, GROUPS, INVITES, ME, MEMBERS, ORGANIZATION
from tests.support.database import by_psycopg, query
from tests.support.mission_control.command import take_over
from tests.support.mission_control.complete import ODD, CompleteDatabase
from tests.support.mission_control.old_database import Row

ISSUER = "https://issuer.example.org"


def plain(value: object) -> object:
    """A value as the API shows it: times of the old backend are UTC."""
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    return str(value) if isinstance(value, UUID) else value


def compare(shown: dict[str, Any], row: Row, **others: object) -> None:
    """Each field that is shown is the row's, or the one of `others`."""
    expected = {name: plain(others[name] if name in others else row[name]) for name in shown}
    assert shown == expected


async def every(client: httpx.AsyncClient, url: str) -> dict[str, dict[str, Any]]:
    """What a list has, by id."""
    response = await client.get(url)
    assert response.status_code == 200, response.text
    found = response.json()
    return {each["id"]: each for each in (found["items"] if isinstance(found, dict) else found)}


async def test_every_field_is_shown_as_it_was(
    empty_database_url: str, database_url: str, client: httpx.AsyncClient
) -> None:
    old = CompleteDatabase(empty_database_url)
    code, report, _ = take_over(by_psycopg(empty_database_url), database_url, OIDC_ISSUER=ISSUER)
    assert (code, report["imported"], report["problems"]) == (0, True, [])
    assert [row[0] for row in query(database_url, "SELECT subject FROM users ORDER BY subject")] == [
        f"{ISSUER}#user_2abc",
        "local",
    ]
    compare((await client.get(ME)).json(), old.local)
    await shows_organization(old, client)
    await shows_boards(old, client)
    await shows_tasks(old, client)
    await shows_approvals_and_memory(old, client)
    await shows_activity(old, client)
    await shows_webhooks(old, client)
    agents = await every(client, AGENTS)
    for row in (old.lead, old.main):
        compare(agents[str(row["id"])], row, heartbeat_config={"every": "10m"}, identity_profile=None)
    token = (await client.post(f"{AGENTS}/{old.lead['id']}/token")).json()["token"]
    answer = await client.get("/api/v1/agent/boards", headers={"Authorization": f"Bearer {token}"})
    assert [board["id"] for board in answer.json()["items"]] == [str(old.board["id"])]


async def shows_organization(old: CompleteDatabase, client: httpx.AsyncClient) -> None:
    compare((await client.get(ORGANIZATION)).json(), old.organization)
    members = await every(client, MEMBERS)
    for row, person, rights, access in (
        (old.owner, old.local, {"all_boards_read": True, "all_boards_write": True}, []),
        (old.member, old.queequeg, {}, [old.access]),
    ):
        shown = members[str(row["id"])]
        for granted, grant in zip(shown.pop("board_access"), access, strict=True):
            compare(granted, grant)
        compare(shown.pop("user"), person)
        compare(shown, row, **rights)
    invites = await every(client, INVITES)
    for row in (old.open_invite, old.used_invite):
        shown = invites[str(row["id"])]
        token, expires_at = shown.pop("token"), shown.pop("expires_at")
        compare(shown, row)
        assert token != row["token"]
        assert (datetime.fromisoformat(expires_at) > datetime.now(UTC)) == (row is old.open_invite)
    assert len(await every(client, f"{ORGANIZATION}/list")) == 2


async def shows_boards(old: CompleteDatabase, client: httpx.AsyncClient) -> None:
    compare((await every(client, GROUPS))[str(old.group["id"])], old.group)
    boards = await every(client, BOARDS)
    compare(boards[str(old.board["id"])], old.board, success_metrics={"barrels": 1.5, "ok": None})
    compare(boards[str(old.empty_board["id"])], old.empty_board, success_metrics=None)
    assert len(boards) == 2
    compare((await every(client, "/api/v1/tags"))[str(old.tag["id"])], old.tag, task_count=1)
    fields = await every(client, FIELDS)
    on = [old.board["id"]]
    for row, default in ((old.weather, "calm"), (old.cargo, None)):
        compare(fields[str(row["id"])], row, default_value=default, board_ids=[str(board) for board in on])


async def shows_tasks(old: CompleteDatabase, client: httpx.AsyncClient) -> None:
    tasks = await every(client, f"{BOARDS}/{old.board['id']}/tasks")
    free = {"depends_on_task_ids": [], "blocked_by_task_ids": [], "is_blocked": False, "tag_ids": [], "tags": []}
    compare(tasks[str(old.inbox["id"])], old.inbox, **free, custom_field_values={"weather": "calm", "cargo": None})
    compare(tasks[str(old.done["id"])], old.done, **free, custom_field_values={"weather": None, "cargo": None})
    waits = tasks[str(old.working["id"])]
    assert sorted(waits.pop("depends_on_task_ids")) == sorted([str(old.done["id"]), str(old.inbox["id"])])
    compare(
        waits,
        old.working,
        blocked_by_task_ids=[str(old.inbox["id"])],
        is_blocked=True,
        tag_ids=[str(old.tag["id"])],
        tags=[{name: plain(old.tag[name]) for name in ("id", "name", "slug", "color")}],
        custom_field_values={"weather": "gale", "cargo": {"b": 1.1, "a": [None, "é"]}},
    )
    comments = await every(client, f"{BOARDS}/{old.board['id']}/tasks/{old.working['id']}/comments")
    for row in (old.comment, old.persons):
        compare(comments[str(row["id"])], row)
    assert len(comments) == 2


async def shows_approvals_and_memory(old: CompleteDatabase, client: httpx.AsyncClient) -> None:
    approvals = await every(client, f"{BOARDS}/{old.board['id']}/approvals")
    working, inbox, done = (str(task["id"]) for task in (old.working, old.inbox, old.done))
    for row, tasks, titles, others in (
        (old.pending, [working, inbox], ["Task", ODD], {"payload": {"reason": "é"}, "rubric_scores": {"a": 2}}),
        (old.approved, [done], ["Task"], {"payload": None, "resolved_at": old.approved["created_at"]}),
        (old.rejected, [], [], {"payload": {}, "rubric_scores": None}),
        (old.reopened, [], [], {"resolved_at": None}),
    ):
        compare(approvals[str(row["id"])], row, task_ids=tasks, task_titles=titles, **others)
    memory = await every(client, f"{BOARDS}/{old.board['id']}/memory")
    for row, tags in zip(old.memory, (["chat", ODD], [], None, None), strict=True):
        compare(memory[str(row["id"])], row, tags=tags)
    compare(memory[str(old.no_chat["id"])], old.no_chat, tags=["chatter"], is_chat=False)
    group = await every(client, f"{GROUPS}/{old.group['id']}/memory")
    compare(group[str(old.group_memory["id"])], old.group_memory, tags=["broadcast"])


async def shows_activity(old: CompleteDatabase, client: httpx.AsyncClient) -> None:
    events = await every(client, ACTIVITY)
    assert str(old.left["id"]) not in events
    for row, others in (
        (old.comment, {}),
        (old.persons, {"board_id": old.board["id"]}),
        (old.moves[0], {"message": "inbox → in_progress"}),
        (old.moves[1], {"message": "in_progress → review"}),
        (old.returned, {"message": "review → inbox"}),
        (old.heartbeat, {}),
    ):
        shown = events[str(row["id"])]
        assert (shown.pop("route_name") == "get_agent") == (row is old.heartbeat)
        del shown["route_params"]
        compare(shown, row, **others)
    feed = await every(client, f"{ACTIVITY}/task-comments")
    assert {*feed} == {str(old.comment["id"]), str(old.persons["id"])}


async def shows_webhooks(old: CompleteDatabase, client: httpx.AsyncClient) -> None:
    url = f"{BOARDS}/{old.board['id']}/webhooks"
    webhooks = await every(client, url)
    for row, has_secret, header in (
        (old.webhook, True, "X-Hub-Signature-256"),
        (old.open_webhook, False, "X-Signature-256"),
    ):
        shown = webhooks[str(row["id"])]
        path = f"{url}/{row['id']}"
        compare(shown, row, has_secret=has_secret, signature_header=header, endpoint_path=path, endpoint_url=None)
    payloads = await every(client, f"{url}/{old.webhook['id']}/payloads")
    for row in old.payloads:
        shown = payloads[str(row["id"])]
        compare(shown, row, payload=json.loads(row["payload"]), headers={"user-agent": "curl"})
    signature = hmac.new(old.webhook["secret"].encode(), b"{}", hashlib.sha256).hexdigest()
    signed = {"X-Hub-Signature-256": f"sha256={signature}"}
    assert (await client.post(f"{url}/{old.webhook['id']}", content=b"{}", headers=signed)).status_code < 300
