"""An old database with rows of every kind."""

import json
from datetime import datetime

from tests.support.mission_control.old_database import OldDatabase, Row

# What PostgreSQL's COPY writes as an escape, and what nobody may take for one.
ODD = 'Ørlog — 船 🐋 \\N \\. \t"tab"\nline\\\\ \r{,}'
BIG = json.dumps({"digits": 12345678901234567890.5, "rows": [{"n": n, "text": f"é{n}"} for n in range(5_000)]})


class CompleteDatabase:
    """An old database with rows of every kind."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database = OldDatabase()
        add = self.database.add
        self.organization = add("organizations", name=ODD)
        self.other = add("organizations", name="Rachel" * 34)
        gateway = add("gateways", organization_id=self.organization["id"])
        self._add_people()
        ours = {"organization_id": self.organization["id"]}
        self.group = add("board_groups", **ours, slug="fleet")
        self.board = add(
            "boards",
            **ours,
            slug="deck",
            name=ODD,
            description=ODD,
            gateway_id=gateway["id"],
            board_group_id=self.group["id"],
            objective="Whales",
            success_metrics='{"barrels": 1.50, "ok": null}',
            target_date=datetime(2026, 2, 28, 23, 59, 59, 1),  # noqa: DTZ001
            goal_confirmed=True,
            goal_source="chat",
            require_review_before_done=True,
            block_status_changes_with_pending_approval=True,
            max_agents=7,
        )
        self.empty_board = add("boards", **ours, slug="hold", success_metrics="null", require_approval_for_done=True)
        self.other_board = add("boards", organization_id=self.other["id"], slug="deck")
        on_board = {"board_id": self.board["id"]}
        agent = {"gateway_id": gateway["id"], "heartbeat_config": '{"every": "10m"}', "identity_profile": "null"}
        self.lead = add("agents", **agent, **on_board, is_board_lead=True, name="Lead", soul_template="calm")
        self.main = add("agents", **agent, name="Main", status="provisioning")
        self.tag = add("tags", **ours, slug="urgent", name="Urgent", color="ff0000", description=ODD)
        self._add_fields(ours, on_board)
        self._add_tasks(on_board)
        self._add_approvals(on_board)
        self._add_memory(on_board)
        self._add_webhooks(on_board)
        self._add_access(ours)
        add("board_onboarding_sessions", **on_board)
        add("task_fingerprints", **on_board, task_id=self.inbox["id"])
        self.database.store(url)

    def _add_people(self) -> None:
        add = self.database.add
        every = dict.fromkeys(("name", "preferred_name", "pronouns", "timezone", "notes", "context"), ODD)
        self.local = add(
            "users",
            clerk_user_id="local-auth-user",
            email="ahab@example.org",
            active_organization_id=self.organization["id"],
            is_super_admin=True,
            **every,
        )
        self.queequeg = add("users", clerk_user_id="user_2abc")
        ours = {"organization_id": self.organization["id"]}
        self.owner = add("organization_members", **ours, user_id=self.local["id"], role="owner")
        self.member = add("organization_members", **ours, user_id=self.queequeg["id"], all_boards_read=True)
        add("organization_members", organization_id=self.other["id"], user_id=self.local["id"], role="admin")

    def _add_fields(self, ours: Row, on_board: Row) -> None:
        self.weather = self.database.add(
            "task_custom_field_definitions", **ours, field_key="weather", default_value='"calm"', required=True
        )
        self.cargo = self.database.add(
            "task_custom_field_definitions", **ours, field_key="cargo", field_type="json", default_value="null"
        )
        for defined in (self.weather, self.cargo):
            self.database.add("board_task_custom_fields", **on_board, task_custom_field_definition_id=defined["id"])

    def _add_tasks(self, on_board: Row) -> None:
        add = self.database.add
        moment = datetime(2025, 3, 30, 2, 30, 0, 999_999)  # noqa: DTZ001 - one that summer time leaves out in Europe
        self.done = add("tasks", **on_board, in_progress_at=moment, status="done")
        self.inbox = add("tasks", **on_board, title=ODD, priority="high", created_by_user_id=self.local["id"])
        self.working = add(
            "tasks",
            **on_board,
            description=ODD,
            due_at=moment,
            in_progress_at=moment,
            status="in_progress",
            priority="low",
            assigned_agent_id=self.lead["id"],
            created_by_user_id=self.queequeg["id"],
            auto_reason="why",
            previous_in_progress_at=moment,
        )
        for other in (self.done, self.inbox):
            add("task_dependencies", **on_board, task_id=self.working["id"], depends_on_task_id=other["id"])
        add("tag_assignments", task_id=self.working["id"], tag_id=self.tag["id"])
        for task, field, value in (
            (self.working, self.cargo, '{"b": 1.10, "a": [null, "\\u00e9"]}'),
            (self.done, self.weather, "null"),
            (self.working, self.weather, '"gale"'),
        ):
            add(
                "task_custom_field_values",
                task_id=task["id"],
                task_custom_field_definition_id=field["id"],
                value=value,
            )
        about = {"task_id": self.working["id"], "board_id": self.board["id"], "agent_id": self.lead["id"]}
        self.comment = add("activity_events", **about, event_type="task.comment", message=ODD)
        self.persons = add(
            "activity_events", **{**about, "agent_id": None, "board_id": None}, event_type="task.comment", message="I"
        )
        self.moves = [
            add("activity_events", **about, event_type="task.status_changed", message=f"Task moved to {status}: Task.")
            for status in ("in_progress", "review")
        ]
        self.returned = add(
            "activity_events",
            **about,
            event_type="task.status_changed",
            message="Task returned to inbox: dependency reopened (x).",
        )
        self.heartbeat = add("activity_events", event_type="agent.heartbeat", agent_id=self.main["id"])
        self.left = add("activity_events", event_type="agent.delete.direct", message="gone")

    def _add_approvals(self, on_board: Row) -> None:
        add = self.database.add
        self.pending = add(
            "approvals",
            **on_board,
            agent_id=self.lead["id"],
            task_id=self.working["id"],
            payload='{"reason": "é"}',
            rubric_scores='{"a": 2}',
        )
        for task in (self.inbox, self.working):
            add("approval_task_links", approval_id=self.pending["id"], task_id=task["id"])
        self.approved = add("approvals", **on_board, task_id=self.done["id"], payload="null", status="approved")
        self.rejected = add(
            "approvals",
            **on_board,
            payload="{}",
            rubric_scores="null",
            status="rejected",
            resolved_at=self.done["updated_at"],
        )

        self.reopened = add("approvals", **on_board, resolved_at=self.done["updated_at"])

    def _add_memory(self, on_board: Row) -> None:
        add = self.database.add
        self.memory = [
            add("board_memory", **on_board, tags=json.dumps(["chat", ODD]), source="Ahab", is_chat=True),
            *(add("board_memory", **on_board, tags=tags) for tags in ("[]", "null", None)),
        ]
        self.no_chat = add("board_memory", **on_board, tags='["chatter"]', is_chat=True)
        self.group_memory = add(
            "board_group_memory", board_group_id=self.group["id"], content=ODD, tags='["broadcast"]'
        )

    def _add_webhooks(self, on_board: Row) -> None:
        add = self.database.add
        self.webhook = add("board_webhooks", **on_board, secret="s3cret-é")
        self.open_webhook = add(
            "board_webhooks", **on_board, secret="", agent_id=self.lead["id"], enabled=False, description=ODD
        )
        came = {**on_board, "webhook_id": self.webhook["id"], "source_ip": "192.0.2.1"}
        headers = '{"user-agent": "curl", "x-api-key": "s3cret-too"}'
        self.payloads = [
            add("board_webhook_payloads", **came, payload=payload, headers=headers)
            for payload in (BIG, json.dumps(ODD), '"123"', "[1, 2]", "null", "{}")
        ]

    def _add_access(self, ours: Row) -> None:
        add = self.database.add
        self.access = add(
            "organization_board_access",
            organization_member_id=self.member["id"],
            board_id=self.board["id"],
            can_write=True,
        )
        invite = {**ours, "created_by_user_id": self.local["id"]}
        accepted = {"accepted_by_user_id": self.queequeg["id"], "accepted_at": self.member["created_at"]}
        self.open_invite = add("organization_invites", **invite, token="old-1", all_boards_read=True)
        self.used_invite = add("organization_invites", **invite, **accepted, token="old-2", role="admin")
        add(
            "organization_invite_board_access",
            organization_invite_id=self.open_invite["id"],
            board_id=self.board["id"],
        )
