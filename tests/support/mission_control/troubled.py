"""An old database that cannot be taken over, for every reason that there is."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from tests.support.mission_control.old_database import OldDatabase, Row


class TroubledDatabase:
    """An old database with one row, or one group of rows, for each trouble; `expected` has what is told of them."""

    def __init__(self, url: str) -> None:
        self.database = OldDatabase()
        self.expected: set[tuple[str, str, frozenset[str]]] = set()
        ours, other = (self.database.add("organizations") for _ in range(2))
        self.ours, self.others = ({"organization_id": each["id"]} for each in (ours, other))
        self.gateway = {"gateway_id": self.database.add("gateways", **self.ours)["id"]}
        self.user = {"user_id": self.database.add("users", clerk_user_id="u")["id"]}
        self.board = {"board_id": self.database.add("boards", **self.ours, slug="a")["id"]}
        self.other_board = {"board_id": self.database.add("boards", **self.others, slug="a")["id"]}
        self.task = self.database.add("tasks", **self.board)["id"]
        self.other_task = self.database.add("tasks", **self.other_board)["id"]
        self.foreign_agent = {"agent_id": self._foreign_agent()}
        self.field = self.database.add("task_custom_field_definitions", **self.others, field_key="f")["id"]
        self._add_values()
        self._add_duplicates()
        self._add_strangers()
        self._add_json()
        self._add_unusable()
        self._add_links()
        self._add_long_texts()
        self._add_cycle()
        self.database.store(url)

    def trouble(self, told: str, table: str, **values: Any) -> Row:
        row = self.database.add(table, **values)
        self.expect(told, table, row)
        return row

    def expect(self, told: str, table: str, *rows: Row) -> None:
        self.expected.add((table, told, frozenset(str(row["id"]) for row in rows)))

    def _foreign_agent(self) -> UUID:
        agent = self.database.add("agents", **self.gateway, **self.other_board)
        return UUID(str(agent["id"]))

    def _add_values(self) -> None:
        self.trouble("role is none of owner, admin, member", "organization_members", **self.ours, **self.user, role="x")
        self.trouble("role is none of owner, admin, member", "organization_invites", **self.ours, role="x", token="t")
        self.trouble("status is none of inbox, in_progress, review, done", "tasks", **self.board, status="paused")
        self.trouble("priority is none of low, medium, high", "tasks", **self.board, priority="urgent")
        self.trouble("board_id is null: a task is on a board", "tasks", board_id=None)
        self.trouble("status is none of pending, approved, rejected", "approvals", **self.board, status="new")
        self.trouble("confidence is not 0 to 100", "approvals", **self.board, confidence=101.0)
        self.trouble("max_agents is below 0", "boards", **self.ours, slug="minus", max_agents=-1)
        told = "clerk_user_id is local, as the person of LOCAL_AUTH_TOKEN is called here: set OIDC_ISSUER"
        self.trouble(told, "users", clerk_user_id="local")
        told = "{} is not within the years 1 to 9998"
        last_seen = told.format("last_seen_at or created_at or updated_at")
        moments = ("infinity", "-infinity", "20000-01-01", "0044-03-15 BC")
        agents = [self.database.add("agents", **self.gateway, last_seen_at=moment) for moment in moments]
        self.expect(last_seen, "agents", *agents)
        self.trouble(told.format("created_at"), "board_memory", **self.board, created_at="9999-12-31")

    def _add_duplicates(self) -> None:
        told = "the slug is another one's of the organization"
        for table in ("boards", "board_groups"):
            self.expect(told, table, *(self.database.add(table, **self.ours, slug="twice") for _ in range(2)))
        agents = [self.database.add("agents", **self.gateway, **self.board, is_board_lead=True) for _ in range(2)]
        self.expect("the board has several leads", "agents", *agents)
        linked = self.database.add("approvals", **self.board)
        self.database.add("approval_task_links", approval_id=linked["id"], task_id=self.task)
        named = self.database.add("approvals", **self.board, task_id=self.task)
        self.expect("another pending approval names a task of it", "approvals", linked, named)

    def _add_strangers(self) -> None:
        add, of_another = self.database.add, " is of another organization"
        group = add("board_groups", **self.others, slug="g")
        self.trouble(f"board_group_id{of_another}", "boards", **self.ours, slug="g", board_group_id=group["id"])
        foreign = {"assigned_agent_id": self.foreign_agent["agent_id"]}
        self.trouble(f"assigned_agent_id{of_another}", "tasks", **self.board, **foreign)
        for table in ("approvals", "board_webhooks"):
            self.trouble(f"agent_id{of_another}", table, **self.board, **self.foreign_agent)
        tag = add("tags", **self.others, slug="t")
        self.trouble(f"tag_id{of_another}", "tag_assignments", task_id=self.task, tag_id=tag["id"])
        field = {"task_custom_field_definition_id": self.field}
        told = f"task_custom_field_definition_id{of_another}"
        self.trouble(told, "board_task_custom_fields", **self.board, **field)
        self.trouble(told, "task_custom_field_values", task_id=self.task, **field, value="1")
        member = add("organization_members", **self.others, **self.user)
        grant = {**self.board, "organization_member_id": member["id"]}
        self.trouble(f"organization_member_id{of_another}", "organization_board_access", **grant)
        invite = add("organization_invites", **self.others, token="o")
        grant = {**self.board, "organization_invite_id": invite["id"]}
        self.trouble(f"organization_invite_id{of_another}", "organization_invite_board_access", **grant)
        edge = {"task_id": self.task, "depends_on_task_id": self.other_task}
        self.trouble("the tasks are on two boards", "task_dependencies", **self.board, **edge)
        event = {"event_type": "task.comment", "message": "m"}
        self.trouble(f"task_id{of_another}", "activity_events", **event, **self.board, task_id=self.other_task)
        foreign = {"task_id": self.task, **self.foreign_agent}
        self.trouble(f"agent_id{of_another}", "activity_events", **event, **foreign)
        approval = {"status": "approved", "task_id": self.other_task}
        self.trouble("it names a task of another board", "approvals", **self.board, **approval)

    def _add_json(self) -> None:
        """A text is of no shape; half a pair and U+0000 are not held, but an escaped backslash before u0000 is."""
        add = self.database.add
        webhook = {"webhook_id": add("board_webhooks", **self.board)["id"]}
        group = {"board_group_id": add("board_groups", **self.ours, slug="json")["id"]}
        columns: tuple[tuple[str, str, str, Callable[[], Row]], ...] = (
            ("agents", "heartbeat_config", "{}", lambda: self.gateway),
            ("agents", "identity_profile", "{}", lambda: self.gateway),
            ("boards", "success_metrics", "{}", lambda: {**self.ours, "slug": uuid4()}),
            ("approvals", "payload", "{}", lambda: self.board),
            ("approvals", "rubric_scores", "{}", lambda: self.board),
            ("board_webhook_payloads", "headers", "{}", lambda: {**self.board, **webhook}),
            ("board_memory", "tags", "[]", lambda: self.board),
            ("board_group_memory", "tags", "[]", lambda: group),
            ("task_custom_field_definitions", "default_value", "", lambda: {**self.ours, "field_key": uuid4()}),
            ("task_custom_field_values", "value", "", self._place_for_value),
        )
        for table, column, shape, place in columns:
            if shape:
                told = f"{column} is no {'JSON object' if shape == '{}' else 'list of texts'}"
                self.trouble(told, table, **place(), **{column: '"text"'})
            texts = [
                {"{}": f'{{"k": {text}}}', "[]": f"[{text}]", "": text}[shape]
                for text in (r'"\u0000"', r'"a\ud83d"', r'"\\u0000 \ud83d\udc0b"')
            ]
            rows = [add(table, **place(), **{column: text}) for text in texts]
            not_held = f"{column} has U+0000 or half of a surrogate pair, which jsonb does not hold"
            self.expect(not_held, table, *rows[:2])

    def _add_unusable(self) -> None:
        told = "validation_regex is none of RE2, which has no look-around and no back-references"
        add = self.database.add
        for field_key, pattern in (("re2", "[A-Z]+-[0-9]{1,5}"), ("look", "(?=.*[0-9]).+")):
            field = add("task_custom_field_definitions", **self.ours, field_key=field_key, validation_regex=pattern)
        self.expect(told, "task_custom_field_definitions", field)
        told = "{} has a number that no double holds, or is nested more than 200 deep"
        quoted = json.dumps("[" * 300 + "1e999999")
        numbers = ("1e400", "-1e999999", "1e-400", "9" * 310)
        fits = ("0e999", "1e-300", "[" * 199 + "]" * 199, quoted)
        for text in fits:
            add("approvals", **self.board, payload=f'{{"k": {text}}}')
        bad = [add("approvals", **self.board, payload=f'{{"k": {text}}}') for text in numbers]
        self.expect(told.format("payload"), "approvals", *bad)
        nested = "[" * 201 + "]" * 201
        self.trouble(told.format("value"), "task_custom_field_values", **self._place_for_value(), value=nested)

    def _add_links(self) -> None:
        told = "{} of a url field does not begin with http:// or https://"
        link: Row = {"field_key": "link", "field_type": "url", "default_value": '"javascript:alert(1)"'}
        field = self.trouble(told.format("default_value"), "task_custom_field_definitions", **self.others, **link)
        texts = ("HTTPS://example.org", "", " javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,x")
        values = [
            self.database.add(
                "task_custom_field_values",
                task_id=self.database.add("tasks", **self.other_board)["id"],
                task_custom_field_definition_id=field["id"],
                value=json.dumps(text),
            )
            for text in texts
        ]
        self.expect(told.format("value"), "task_custom_field_values", *values[2:])

    def _place_for_value(self) -> Row:
        task = self.database.add("tasks", **self.other_board)
        return {"task_id": task["id"], "task_custom_field_definition_id": self.field}

    def _add_long_texts(self) -> None:
        for table, column, others in (
            ("users", "clerk_user_id", {}),
            ("board_groups", "slug", self.ours),
            ("boards", "slug", self.ours),
            ("tags", "slug", self.ours),
            ("task_custom_field_definitions", "field_key", self.ours),
        ):
            told = f"{column} has more than 2,000 bytes: an index holds no more"
            self.trouble(told, table, **others, **{column: "é" * 1_001})
        long = {"description": "word " * 60_000}
        told = "{} and description have more than 250,000 bytes: the index for search holds no more"
        self.trouble(told.format("name"), "boards", **self.ours, slug="long", **long)
        self.trouble(told.format("title"), "tasks", **self.board, **long)

    def _add_cycle(self) -> None:
        tasks = [self.database.add("tasks", **self.board) for _ in range(3)]
        for task, other in ((0, 1), (1, 2), (2, 0)):
            edge = {"task_id": tasks[task]["id"], "depends_on_task_id": tasks[other]["id"]}
            self.database.add("task_dependencies", **self.board, **edge)
        self.expect("tasks of a board wait for each other", "task_dependencies", *tasks)
