"""PATCH with null: it clears what can be empty, and leaves the rest as it is, as clients of the contract expect."""

from typing import Any

import httpx

from app.schemas.agents import AgentUpdate
from app.schemas.board_groups import BoardGroupUpdate
from app.schemas.boards import BoardUpdate
from app.schemas.custom_fields import TaskCustomFieldDefinitionUpdate
from app.schemas.shared_types import Update
from app.schemas.tags import TagUpdate
from app.schemas.tasks import TaskUpdate
from app.schemas.webhooks import BoardWebhookUpdate
from tests.support.api import AGENTS, BOARDS, FIELDS, GROUPS, create, define, register

# Shape of a change -> the fields that null clears, with what they are read as then.
CLEARED: dict[type[Update], dict[str, Any]] = {
    BoardUpdate: dict.fromkeys(["board_group_id", "goal_source", "objective", "success_metrics", "target_date"]),
    TaskUpdate: dict.fromkeys(["assigned_agent_id", "description", "due_at"]),
    AgentUpdate: dict.fromkeys(["board_id", "heartbeat_config", "identity_profile"]),
    BoardGroupUpdate: {"description": None},
    TagUpdate: {"description": None},
    TaskCustomFieldDefinitionUpdate: {
        "default_value": None,
        "description": None,
        "label": "ticket",
        "validation_regex": None,
    },
    BoardWebhookUpdate: {"agent_id": None, "has_secret": False, "signature_header": "X-Signature-256"},
}
# Sent under a name under which it is not read.
_SENT_AS = {"has_secret": "secret"}


async def made(client: httpx.AsyncClient, board: dict[str, Any], group: dict[str, Any]) -> dict[type[Update], str]:
    """Make an object for each shape, with everything that null could clear, and return their paths."""
    agent = await register(client, board, heartbeat_config={"every": "10m"}, identity_profile={"speaks": "English"})
    goal = {"objective": "Sail", "goal_source": "x", "success_metrics": {"knots": 9}}
    moment = "2026-11-23T10:00:00Z"
    board_url = f"{BOARDS}/{board['id']}"
    changes = {"board_group_id": group["id"], "target_date": moment, **goal}
    assert (await client.patch(board_url, json=changes)).status_code == 200
    task = {"title": "Splice", "description": "All of it", "due_at": moment, "assigned_agent_id": agent["id"]}
    webhook = {"description": "Harbour", "agent_id": agent["id"], "secret": "s", "signature_header": "X-Signed"}
    field = {"label": "Ticket", "description": "x", "validation_regex": "[A-F]", "default_value": "A"}
    made_field = await define(client, board, **field)
    made_group = await create(client, GROUPS, name="Crew", slug="crew", description="x")
    tag = await create(client, "/api/v1/tags", name="Rope", description="x")
    task_id = (await create(client, f"{board_url}/tasks", **task))["id"]
    webhook_id = (await create(client, f"{board_url}/webhooks", **webhook))["id"]
    return {
        TaskUpdate: f"{board_url}/tasks/{task_id}",
        BoardWebhookUpdate: f"{board_url}/webhooks/{webhook_id}",
        TaskCustomFieldDefinitionUpdate: f"{FIELDS}/{made_field['id']}",
        BoardGroupUpdate: f"{GROUPS}/{made_group['id']}",
        TagUpdate: f"/api/v1/tags/{tag['id']}",
        AgentUpdate: f"{AGENTS}/{agent['id']}",
        BoardUpdate: board_url,
    }


async def test_null_changes_nothing_or_clears_what_can_be_empty(
    client: httpx.AsyncClient, board: dict[str, Any], group: dict[str, Any]
) -> None:
    for shape, url in (await made(client, board, group)).items():
        before = await read(client, url)
        cleared = {_SENT_AS.get(field, field) for field in CLEARED[shape]}
        others = {field: None for field in shape.__struct_fields__ if field not in cleared}
        kept = await client.patch(url, json=others)
        assert kept.status_code == 200, (shape, kept.text)
        assert await read(client, url) == before, shape
        assert all(before[field] != empty for field, empty in CLEARED[shape].items()), (shape, before)
        changed = await client.patch(url, json=dict.fromkeys(cleared))
        assert changed.status_code == 200, (shape, changed.text)
        assert {field: changed.json()[field] for field in CLEARED[shape]} == CLEARED[shape]


async def read(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """Return the object without the time of its last change."""
    found: dict[str, Any] = (await client.get(url)).json()
    return {name: value for name, value in found.items() if name != "updated_at"}
