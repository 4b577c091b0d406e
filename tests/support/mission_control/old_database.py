"""An old database of OpenClaw Mission Control: its tables, and rows that tests put there."""

from contextlib import closing
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.support.database import unpooled

SCHEMA = Path(__file__).with_name("schema.sql")
Row = dict[str, Any]
_UNNAMED = dict.fromkeys(("email", "name", "preferred_name", "pronouns", "timezone", "notes", "context"))
# What a row has where a test does not say it; JSON is its text.
_DEFAULTS: dict[str, Row] = {
    "activity_events": {
        "event_type": "task.created",
        **dict.fromkeys(("message", "agent_id", "task_id", "board_id")),
    },
    "agents": {
        "name": "Agent",
        "status": "online",
        "is_board_lead": False,
        "lifecycle_generation": 0,
        "wake_attempts": 0,
        "agent_token_hash": "pbkdf2_sha256$200000$c2FsdA$ZGlnZXN0",
        **dict.fromkeys(("board_id", "heartbeat_config", "identity_profile", "last_seen_at")),
    },
    "approvals": {
        "action_type": "task.done",
        "confidence": 80.5,
        "status": "pending",
        **dict.fromkeys(("task_id", "agent_id", "payload", "rubric_scores", "resolved_at")),
    },
    "board_group_memory": {"content": "Tide at six", "is_chat": False, "tags": None, "source": None},
    "board_groups": {"name": "Fleet", "description": None},
    "board_memory": {"content": "Fog", "is_chat": False, "tags": None, "source": None},
    "board_onboarding_sessions": {"session_key": "s", "status": "active"},
    "board_webhook_payloads": dict.fromkeys(("payload", "headers", "source_ip", "content_type")),
    "board_webhooks": {
        "description": "Port office",
        "enabled": True,
        **dict.fromkeys(("agent_id", "secret", "signature_header")),
    },
    "boards": {
        "name": "Deck",
        "description": "",
        "board_type": "goal",
        "max_agents": 1,
        **dict.fromkeys(
            (
                "goal_confirmed",
                "require_approval_for_done",
                "require_review_before_done",
                "comment_required_for_review",
                "block_status_changes_with_pending_approval",
                "only_lead_can_change_status",
            ),
            False,
        ),
        **dict.fromkeys(("board_group_id", "objective", "success_metrics", "target_date", "goal_source")),
    },
    "gateways": {
        "name": "Gateway",
        "url": "ws://127.0.0.1",
        "workspace_root": "/srv",
        "disable_device_pairing": False,
        "allow_insecure_tls": False,
    },
    "organization_board_access": {"can_read": True, "can_write": False},
    "organization_invite_board_access": {"can_read": True, "can_write": True},
    "organization_invites": {
        "invited_email": "queequeg@example.org",
        "role": "member",
        "all_boards_read": False,
        "all_boards_write": False,
        **dict.fromkeys(("created_by_user_id", "accepted_by_user_id", "accepted_at")),
    },
    "organization_members": {"role": "member", "all_boards_read": False, "all_boards_write": False},
    "organizations": {"name": "Pequod"},
    "tags": {"name": "Tag", "color": "9e9e9e", "description": None},
    "task_custom_field_definitions": {
        "label": "Field",
        "field_type": "text",
        "ui_visibility": "always",
        "required": False,
        **dict.fromkeys(("validation_regex", "description", "default_value")),
    },
    "task_fingerprints": {"fingerprint_hash": "f"},
    "tasks": {
        "title": "Task",
        "status": "inbox",
        "priority": "medium",
        "auto_created": False,
        **dict.fromkeys(("description", "due_at", "in_progress_at", "created_by_user_id", "assigned_agent_id")),
    },
    "users": {"is_super_admin": False, "active_organization_id": None, **_UNNAMED},
}
# The tables that have a time of their last change.
_CHANGED = {
    "agents",
    "board_groups",
    "board_onboarding_sessions",
    "board_webhooks",
    "boards",
    "gateways",
    "organization_board_access",
    "organization_invite_board_access",
    "organization_invites",
    "organization_members",
    "organizations",
    "tags",
    "task_custom_field_definitions",
    "task_custom_field_values",
    "tasks",
}
_CREATED = {"board_webhook_payloads": "received_at"}
_BEGIN = datetime(2025, 3, 9, 1, 59, 58, 123456)  # noqa: DTZ001 - the old backend's times name no zone


class OldDatabase:
    """Rows for an old database, each a minute later than the one before, in the order in which they are added."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self._added: list[tuple[str, Row]] = []
        self._minutes = count()

    def add(self, table: str, **values: Any) -> Row:
        """Add a row, and return it with all its values."""
        at = _BEGIN + timedelta(minutes=next(self._minutes))
        times: Row = {} if table == "users" else {_CREATED.get(table, "created_at"): at}
        if table in _CHANGED:
            times["updated_at"] = at + timedelta(seconds=30)
        row = {"id": uuid4(), **_DEFAULTS.get(table, {}), **times, **values}
        self.rows.setdefault(table, []).append(row)
        self._added.append((table, row))
        return row

    def store(self, url: str, *, schema: bool = True) -> None:
        """Store the rows, by default in an empty database, where the tables are made first."""
        with unpooled(url).begin() as connection, closing(connection.connection.cursor()) as cursor:
            if schema:
                cursor.execute(SCHEMA.read_text())
            for table, row in self._added:
                places = ", ".join("%s" for _ in row)
                cursor.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", [*row.values()])
