"""Queries of the old database for rows that this backend cannot take over, or takes over otherwise than they were."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from app.importing.mission_control.mapping import (
    APPROVED_TASKS,
    EVENT_ORGANIZATION,
    EVENTS,
    ISSUER,
    OLD_COMMENTED,
    OLD_LOCAL_SUBJECT,
)
from app.importing.mission_control.old_schema import LEFT_COLUMNS, LEFT_TABLES, OLD_TABLES, TAKEN_TIMES
from app.models import ApprovalStatus, FieldType, Role, TaskPriority, TaskStatus, Visibility
from app.services.callers import LOCAL_SUBJECT
from app.services.invites import GOOD_FOR


class Rule(NamedTuple):
    """A query for the ids of the rows of an old table of which `told` is true."""

    table: str
    told: str
    rows: str


def _where(table: str, told: str, condition: str) -> Rule:
    return Rule(table, told, f"SELECT id FROM {table} WHERE {condition}")


_ENUMS: Final[tuple[tuple[str, str, type[StrEnum]], ...]] = (
    ("organization_members", "role", Role),
    ("organization_invites", "role", Role),
    ("tasks", "status", TaskStatus),
    ("tasks", "priority", TaskPriority),
    ("approvals", "status", ApprovalStatus),
    ("task_custom_field_definitions", "field_type", FieldType),
    ("task_custom_field_definitions", "ui_visibility", Visibility),
)
_OBJECTS: Final = (
    ("agents", "heartbeat_config"),
    ("agents", "identity_profile"),
    ("boards", "success_metrics"),
    ("approvals", "payload"),
    ("approvals", "rubric_scores"),
    ("board_webhook_payloads", "headers"),
)
_LISTS: Final = (("board_memory", "tags"), ("board_group_memory", "tags"))
_ANY_JSON: Final = (("task_custom_field_definitions", "default_value"), ("task_custom_field_values", "value"))
# JSON that this backend reads the values of.
READ_JSON: Final = (*_OBJECTS, *_ANY_JSON)
# A row of an index has at most 2,704 bytes; a search index takes 1 MiB of words, with their positions.
_LONGEST_KEY: Final = 2_000
_LONGEST_SEARCHED: Final = 250_000
_KEYS: Final = (
    ("users", "clerk_user_id"),
    ("board_groups", "slug"),
    ("boards", "slug"),
    ("tags", "slug"),
    ("task_custom_field_definitions", "field_key"),
)
_SEARCHED: Final = (("boards", "name"), ("tasks", "title"))
# The longest texts that the API takes in a change.
_LENGTHS: Final = (
    ("organizations", "name", 200),
    ("board_groups", "name", 200),
    ("board_groups", "description", 20_000),
    ("boards", "name", 200),
    ("boards", "description", 20_000),
    ("boards", "objective", 20_000),
    ("agents", "name", 200),
    ("tags", "name", 200),
    ("tasks", "title", 500),
    ("tasks", "description", 20_000),
    ("board_webhooks", "description", 2_000),
)
# The organization of each row, by its id.
_ORGANIZATIONS: Final = {
    **{
        table: f"SELECT id, organization_id FROM {table}"
        for table in (
            "boards",
            "board_groups",
            "tags",
            "task_custom_field_definitions",
            "organization_members",
            "organization_invites",
        )
    },
    "tasks": "SELECT t.id, b.organization_id FROM tasks AS t JOIN boards AS b ON b.id = t.board_id",
    "agents": "SELECT a.id, coalesce(b.organization_id, g.organization_id) AS organization_id FROM agents AS a"
    " JOIN gateways AS g ON g.id = a.gateway_id LEFT JOIN boards AS b ON b.id = a.board_id",
}
# Table, and two columns of it with the tables whose rows they name.
_ONE_ORGANIZATION: Final = (
    ("boards", ("id", "boards"), ("board_group_id", "board_groups")),
    ("organization_board_access", ("board_id", "boards"), ("organization_member_id", "organization_members")),
    ("organization_invite_board_access", ("board_id", "boards"), ("organization_invite_id", "organization_invites")),
    ("tasks", ("board_id", "boards"), ("assigned_agent_id", "agents")),
    ("tag_assignments", ("task_id", "tasks"), ("tag_id", "tags")),
    (
        "board_task_custom_fields",
        ("board_id", "boards"),
        ("task_custom_field_definition_id", "task_custom_field_definitions"),
    ),
    (
        "task_custom_field_values",
        ("task_id", "tasks"),
        ("task_custom_field_definition_id", "task_custom_field_definitions"),
    ),
    ("approvals", ("board_id", "boards"), ("agent_id", "agents")),
    ("board_webhooks", ("board_id", "boards"), ("agent_id", "agents")),
    ("activity_events", ("board_id", "boards"), ("task_id", "tasks")),
    ("activity_events", ("board_id", "boards"), ("agent_id", "agents")),
    ("activity_events", ("task_id", "tasks"), ("agent_id", "agents")),
)


def _times() -> Iterator[Rule]:
    for table, columns in OLD_TABLES.items():
        times = [column for column in columns if column in TAKEN_TIMES]
        if times and table not in LEFT_TABLES:
            # Python has none before the year 1 or after 9999, and time zones and invites add days.
            outside = (f"NOT {time} BETWEEN '0001-01-02' AND '9998-12-31'" for time in times)
            yield _where(table, f"{' or '.join(times)} is not within the years 1 to 9998", " OR ".join(outside))


def _of_one_organization() -> Iterator[Rule]:
    for table, (left, lefts), (right, rights) in _ONE_ORGANIZATION:
        yield Rule(
            table,
            f"{right} is of another organization",
            f"SELECT x.id FROM {table} AS x JOIN ({_ORGANIZATIONS[lefts]}) AS l ON l.id = x.{left}"
            f" JOIN ({_ORGANIZATIONS[rights]}) AS r ON r.id = x.{right} WHERE l.organization_id <> r.organization_id",
        )


def _not_held(column: str) -> str:
    """Return the condition that JSON has U+0000 or half of a surrogate pair, which jsonb refuses."""
    # Two backslashes are one, and none of an escape.
    escapes = rf"replace({column}::text, '\\', '')"
    pair = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    return (
        rf"{column}::text ~ '\\u(0000|[dD][89a-fA-F])' AND"
        rf" regexp_replace({escapes}, '{pair}', '', 'g') ~ '\\u(0000|[dD][89a-fA-F])'"
    )


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _duplicates(table: str, key: str, told: str, condition: str = "true") -> Rule:
    return Rule(
        table,
        told,
        f"SELECT id FROM (SELECT id, count(*) OVER (PARTITION BY {key}) AS n FROM {table} WHERE {condition}) AS x"
        " WHERE n > 1",
    )


_NOT_STRINGS = (
    "CASE coalesce(json_typeof(tags::json), 'null') WHEN 'null' THEN false WHEN 'array' THEN EXISTS (SELECT"
    " FROM json_array_elements(tags::json) AS e WHERE json_typeof(e) <> 'string') ELSE true END"
)
# What cannot be taken over.
PROBLEMS: Final = (
    *(
        _where(table, f"{column} is none of {', '.join(enum)}", f"{column} NOT IN ({_quoted(enum)})")
        for table, column, enum in _ENUMS
    ),
    _where("approvals", "confidence is not 0 to 100", "NOT confidence BETWEEN 0 AND 100"),
    _where("boards", "max_agents is below 0", "max_agents < 0"),
    _where("tasks", "board_id is null: a task is on a board", "board_id IS NULL"),
    _where(
        "users",
        f"clerk_user_id is {LOCAL_SUBJECT}, as the person of LOCAL_AUTH_TOKEN is called here: set OIDC_ISSUER",
        f"current_setting('{ISSUER}') = '' AND clerk_user_id = '{LOCAL_SUBJECT}'",
    ),
    *_times(),
    *(
        _duplicates(table, "organization_id, slug", "the slug is another one's of the organization")
        for table in ("board_groups", "boards", "tags")
    ),
    _duplicates("agents", "board_id", "the board has several leads", "is_board_lead AND board_id IS NOT NULL"),
    Rule(
        "approvals",
        "another pending approval names a task of it",
        "SELECT DISTINCT id FROM (SELECT a.id, count(*) OVER (PARTITION BY l.task_id) AS n"
        f" FROM {APPROVED_TASKS} WHERE a.status = 'pending') AS x WHERE n > 1",
    ),
    Rule(
        "approvals",
        "it names a task of another board",
        f"SELECT DISTINCT a.id FROM {APPROVED_TASKS} JOIN tasks AS t ON t.id = l.task_id"
        " WHERE t.board_id <> a.board_id",
    ),
    Rule(
        "task_dependencies",
        "the tasks are on two boards",
        "SELECT d.id FROM task_dependencies AS d JOIN tasks AS t ON t.id = d.task_id"
        " JOIN tasks AS o ON o.id = d.depends_on_task_id WHERE t.board_id <> o.board_id",
    ),
    *_of_one_organization(),
    *(
        _where(table, f"{column} is no JSON object", f"json_typeof({column}::json) NOT IN ('object', 'null')")
        for table, column in _OBJECTS
    ),
    *(_where(table, f"{column} is no list of texts", _NOT_STRINGS) for table, column in _LISTS),
    *(
        _where(table, f"{column} has U+0000 or half of a surrogate pair, which jsonb does not hold", _not_held(column))
        for table, column in (*_OBJECTS, *_LISTS, *_ANY_JSON)
    ),
    *(
        _where(
            table,
            f"{column} has more than {_LONGEST_KEY:,} bytes: an index holds no more",
            f"octet_length({column}) > {_LONGEST_KEY}",
        )
        for table, column in _KEYS
    ),
    *(
        _where(
            table,
            f"{column} and description have more than {_LONGEST_SEARCHED:,} bytes: the index for search holds no more",
            f"octet_length({column}) + coalesce(octet_length(description), 0) > {_LONGEST_SEARCHED}",
        )
        for table, column in _SEARCHED
    ),
)
# What is taken over otherwise than it was, or stays behind.
NOTES: Final = (
    *(_where(table, "all of it stays behind: this backend needs no gateway", "true") for table in LEFT_TABLES),
    *(
        _where(table, f"{column} stays behind: there is no such field", f"{column} IS NOT NULL")
        for table, columns in LEFT_COLUMNS.items()
        for column in columns
    ),
    _where(
        "agents",
        "the token is worth nothing: the old backend's hash is another function's. Give each a new one:"
        " POST /api/v1/agents/{id}/token",
        "true",
    ),
    _where(
        "organization_invites",
        f"the token is a new one, which the list of invites shows, good for {GOOD_FOR.days} days",
        "accepted_at IS NULL",
    ),
    _where(
        "organizations",
        "it has no owner",
        "NOT EXISTS (SELECT FROM organization_members AS m WHERE m.organization_id = organizations.id"
        " AND m.role = 'owner')",
    ),
    Rule(
        "users",
        "this person signs in by an issuer: set OIDC_ISSUER, as for the server, or they will be another user",
        f"SELECT id FROM users WHERE current_setting('{ISSUER}') = '' AND clerk_user_id <> '{OLD_LOCAL_SUBJECT}'",
    ),
    _where(
        "activity_events",
        "a person's comment has no author: the old backend does not store who it was",
        f"event_type = '{OLD_COMMENTED}' AND agent_id IS NULL",
    ),
    Rule(
        "activity_events",
        "it stays behind: its board, task and agent are gone, and with them its organization",
        f"SELECT e.id FROM {EVENTS} WHERE {EVENT_ORGANIZATION} IS NULL",
    ),
    _where(
        "approvals",
        "it is pending again, and its former resolved_at stays behind",
        "status = 'pending' AND resolved_at IS NOT NULL",
    ),
    *(
        _where(
            table,
            "is_chat will be what the tags say",
            "is_chat <> coalesce(tags::text LIKE '%\"chat\"%', false)",
        )
        for table, _ in _LISTS
    ),
    _where(
        "board_webhooks",
        "no signature_header is named: it will be X-Hub-Signature-256, and X-Webhook-Signature is no longer read",
        "secret <> '' AND coalesce(signature_header, '') = ''",
    ),
    *(
        _where(
            table,
            f"{column} is longer than {longest:,} characters, and has to be shortened when it is changed",
            f"char_length({column}) > {longest}",
        )
        for table, column, longest in _LENGTHS
    ),
)
