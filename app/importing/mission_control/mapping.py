"""What becomes of each old table: for each table of this backend a query of the old database that gives its rows."""

from typing import Final

from app.importing.mission_control.table_copy import TableCopy, columns_of, copy_of, json_of, utc
from app.models import SIGNATURE_HEADER
from app.services.activity import COMMENTED, STATUS_CHANGED, status_change
from app.services.callers import LOCAL_SUBJECT
from app.services.invites import GOOD_FOR
from app.services.webhooks import CREDENTIAL_HEADERS

# The user of the shared token in the old backend, and the header that it reads where a webhook names none.
OLD_LOCAL_SUBJECT: Final = "local-auth-user"
_OLD_SIGNATURE_HEADER: Final = "X-Hub-Signature-256"
OLD_COMMENTED: Final = "task.comment"
# Settings of the session on the old database: 256 random bits, and what stands before the subject of who signs in by
# an issuer.
KEY: Final = "plimsoll.import_key"
ISSUER: Final = "plimsoll.import_issuer"
SUBJECT: Final = (
    f"CASE u.clerk_user_id WHEN '{OLD_LOCAL_SUBJECT}' THEN '{LOCAL_SUBJECT}'"
    f" ELSE current_setting('{ISSUER}') || u.clerk_user_id END"
)


def _memory(table: str, owner: str, owners: str) -> TableCopy:
    # `is_chat` follows from the tags in both backends.
    tags = f"CASE WHEN {json_of('m.tags')} IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(m.tags::jsonb)) END"
    columns = columns_of("m", f"id created_at {owner} content source", tags=tags)
    return copy_of(table, f"{table} AS m JOIN {owners} AS o ON o.id = m.{owner}", columns, "o.organization_id")


def _access(table: str, old_table: str, owner: str, owners: str) -> TableCopy:
    columns = columns_of("x", f"id created_at updated_at {owner} board_id can_read can_write")
    return copy_of(table, f"{old_table} AS x JOIN {owners} AS o ON o.id = x.{owner}", columns, "o.organization_id")


_OWN_TIMES = "id created_at updated_at"
_ON_BOARD = "JOIN boards AS b ON b.id = {}.board_id"
_ON_TASK = "JOIN tasks AS t ON t.id = {}.task_id JOIN boards AS b ON b.id = t.board_id"
_KEY_OF = f"current_setting('{KEY}') || {{}}.id::text"
_GOOD_FOR = f"interval '{GOOD_FOR.total_seconds():.0f} seconds'"

_USERS = TableCopy(
    "users",
    "users AS u LEFT JOIN (SELECT user_id, min(created_at) AS created_at FROM organization_members GROUP BY user_id)"
    " AS joined ON joined.user_id = u.id",
    columns_of(
        "u",
        "id email name preferred_name pronouns timezone notes context is_super_admin active_organization_id",
        subject=SUBJECT,
        created_at=f"coalesce({utc('joined.created_at')}, now())",
        updated_at=f"coalesce({utc('joined.created_at')}, now())",
    ),
)
_BOARDS = copy_of(
    "boards",
    "boards AS b",
    columns_of(
        "b",
        f"{_OWN_TIMES} name slug description board_type objective goal_confirmed goal_source require_approval_for_done"
        " require_review_before_done comment_required_for_review block_status_changes_with_pending_approval"
        " only_lead_can_change_status max_agents board_group_id",
        success_metrics=json_of("b.success_metrics"),
        target_date=utc("b.target_date"),
    ),
    "b.organization_id",
)
# The old database has the token itself, and this one a seed, from which another token is derived.
_INVITES = copy_of(
    "organization_invites",
    "organization_invites AS i",
    columns_of(
        "i",
        f"{_OWN_TIMES} invited_email role all_boards_read all_boards_write created_by_user_id accepted_by_user_id"
        " accepted_at",
        token_seed=f"sha256(convert_to({_KEY_OF.format('i')}, 'UTF8'))",
        expires_at=f"{_GOOD_FOR} + CASE WHEN i.accepted_at IS NULL THEN now() ELSE {utc('i.created_at')} END",
    ),
    "i.organization_id",
)
# The old hash is another function's. Nobody can make a token whose hash these 32 random bytes are.
_AGENTS = copy_of(
    "agents",
    "agents AS a JOIN gateways AS g ON g.id = a.gateway_id LEFT JOIN boards AS b ON b.id = a.board_id",
    columns_of(
        "a",
        f"{_OWN_TIMES} board_id name status is_board_lead last_seen_at",
        heartbeat_config=json_of("a.heartbeat_config"),
        identity_profile=json_of("a.identity_profile"),
        token_hash=f"decode(md5('1' || {_KEY_OF.format('a')}) || md5('2' || {_KEY_OF.format('a')}), 'hex')",
    ),
    "coalesce(b.organization_id, g.organization_id)",
)
_FIELDS = copy_of(
    "custom_fields",
    "task_custom_field_definitions AS d",
    columns_of(
        "d",
        f"{_OWN_TIMES} field_key label field_type ui_visibility validation_regex description required",
        default_value=json_of("d.default_value", "json"),
    ),
    "d.organization_id",
)
# A task without a value shows the default in the old backend, and no value in this one.
_VALUES = copy_of(
    "custom_field_values",
    "(SELECT task_id, task_custom_field_definition_id, created_at, value FROM task_custom_field_values"
    " WHERE value::text <> 'null' UNION ALL"
    " SELECT t.id, d.id, t.created_at, d.default_value FROM task_custom_field_definitions AS d"
    " JOIN board_task_custom_fields AS f ON f.task_custom_field_definition_id = d.id"
    " JOIN tasks AS t ON t.board_id = f.board_id WHERE d.default_value::text <> 'null' AND NOT EXISTS ("
    "SELECT FROM task_custom_field_values AS v WHERE v.task_id = t.id AND v.task_custom_field_definition_id = d.id)"
    f") AS v {_ON_TASK.format('v')}",
    columns_of("v", "task_id created_at value", custom_field_id="v.task_custom_field_definition_id"),
    "b.organization_id",
)
_TASKS = copy_of(
    "tasks",
    f"tasks AS t {_ON_BOARD.format('t')}",
    columns_of(
        "t",
        f"{_OWN_TIMES} board_id created_by_user_id title description status priority in_progress_at due_at"
        " assigned_agent_id",
    ),
    "b.organization_id",
)
_COMMENTS = copy_of(
    "task_comments",
    f"activity_events AS e {_ON_TASK.format('e')} AND e.event_type = '{OLD_COMMENTED}'",
    columns_of("e", "id created_at task_id", message="coalesce(e.message, '')", author_agent_id="e.agent_id"),
    "b.organization_id",
)
_APPROVALS = copy_of(
    "approvals",
    f"approvals AS a {_ON_BOARD.format('a')}",
    columns_of(
        "a",
        "id created_at board_id agent_id action_type confidence status",
        payload=json_of("a.payload"),
        rubric_scores=json_of("a.rubric_scores"),
        # One that is pending again keeps its time there, and one that was made resolved has none.
        resolved_at=f"CASE WHEN a.status <> 'pending' THEN {utc('coalesce(a.resolved_at, a.created_at)')} END",
    ),
    "b.organization_id",
)
_LINKS = (
    "(SELECT id, approval_id, task_id, created_at FROM approval_task_links UNION ALL"
    " SELECT NULL, a.id, a.task_id, a.created_at FROM approvals AS a WHERE a.task_id IS NOT NULL AND NOT EXISTS ("
    "SELECT FROM approval_task_links AS l WHERE l.approval_id = a.id AND l.task_id = a.task_id)) AS l"
)
APPROVED_TASKS: Final = f"{_LINKS} JOIN approvals AS a ON a.id = l.approval_id {_ON_BOARD.format('a')}"
_APPROVAL_TASKS = copy_of(
    "approval_tasks",
    APPROVED_TASKS,
    columns_of(
        "l",
        "approval_id task_id created_at",
        position="row_number() OVER (PARTITION BY a.id"
        " ORDER BY (l.task_id IS NOT DISTINCT FROM a.task_id) DESC, l.created_at, l.id) - 1",
        is_pending="a.status = 'pending'",
    ),
    "b.organization_id",
)
_WEBHOOKS = copy_of(
    "board_webhooks",
    f"board_webhooks AS w {_ON_BOARD.format('w')}",
    columns_of(
        "w",
        f"{_OWN_TIMES} board_id agent_id description enabled",
        secret="nullif(w.secret, '')",  # noqa: S106 - an expression
        signature_header="coalesce(nullif(w.signature_header, ''),"
        f" CASE WHEN nullif(w.secret, '') IS NULL THEN '{SIGNATURE_HEADER}' ELSE '{_OLD_SIGNATURE_HEADER}' END)",
    ),
    "b.organization_id",
)
_PAYLOADS = copy_of(
    "board_webhook_payloads",
    f"board_webhook_payloads AS p JOIN board_webhooks AS w ON w.id = p.webhook_id {_ON_BOARD.format('w')}",
    columns_of(
        "p",
        "id webhook_id source_ip content_type",
        created_at=utc("p.received_at"),
        body="convert_to(coalesce(p.payload::text, ''), 'UTF8')",
        headers=f"coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each({json_of('p.headers')})"
        f" WHERE key !~* '{CREDENTIAL_HEADERS.pattern}' AND lower(key) IS DISTINCT FROM lower(w.signature_header)),"
        " '{}')",
    ),
    "b.organization_id",
)
# Ours tells where the task came from and where it went; the old one says the latter alone. OFFSET 0 has the status cut
# out once for each message, and not wherever it is used.
_MOVES = (
    "(SELECT id, went_to, lag(went_to, 1, 'inbox') OVER (PARTITION BY task_id ORDER BY created_at, id) AS came_from"
    " FROM (SELECT id, task_id, created_at, CASE WHEN message LIKE 'Task returned to inbox:%' THEN 'inbox'"
    " WHEN message LIKE 'Task moved to %: %' THEN split_part(substr(message, 15), ':', 1) END AS went_to"
    f" FROM activity_events WHERE event_type = '{STATUS_CHANGED}' AND task_id IS NOT NULL OFFSET 0) AS told) AS moved"
)
EVENTS: Final = (
    "activity_events AS e LEFT JOIN tasks AS t ON t.id = e.task_id LEFT JOIN agents AS a ON a.id = e.agent_id"
    " LEFT JOIN gateways AS g ON g.id = a.gateway_id"
    " LEFT JOIN boards AS b ON b.id = coalesce(e.board_id, t.board_id, a.board_id)"
)
EVENT_ORGANIZATION: Final = "coalesce(b.organization_id, g.organization_id)"
_ACTIVITY = copy_of(
    "activity_events",
    f"{EVENTS} LEFT JOIN {_MOVES} ON moved.id = e.id",
    columns_of(
        "e",
        "id created_at agent_id task_id",
        event_type=f"CASE e.event_type WHEN '{OLD_COMMENTED}' THEN '{COMMENTED}' ELSE e.event_type END",
        message=f"coalesce(moved.came_from || '{status_change('', '')}' || moved.went_to, e.message)",
        board_id="b.id",
        subject_id=f"CASE WHEN e.event_type = '{OLD_COMMENTED}' THEN e.id"
        " WHEN e.event_type LIKE 'agent.%' THEN e.agent_id END",
    ),
    EVENT_ORGANIZATION,
)

# What refers to another table comes after it.
COPIES: Final = (
    TableCopy("organizations", "organizations AS o", columns_of("o", f"{_OWN_TIMES} name")),
    _USERS,
    copy_of(
        "organization_members",
        "organization_members AS m",
        columns_of("m", f"{_OWN_TIMES} user_id role all_boards_read all_boards_write"),
        "m.organization_id",
    ),
    copy_of(
        "board_groups",
        "board_groups AS g",
        columns_of("g", f"{_OWN_TIMES} name slug description"),
        "g.organization_id",
    ),
    _BOARDS,
    _access("board_access", "organization_board_access", "organization_member_id", "organization_members"),
    _INVITES,
    _access(
        "invite_board_access", "organization_invite_board_access", "organization_invite_id", "organization_invites"
    ),
    _AGENTS,
    copy_of("tags", "tags AS g", columns_of("g", f"{_OWN_TIMES} name slug color description"), "g.organization_id"),
    _FIELDS,
    copy_of(
        "custom_field_boards",
        f"board_task_custom_fields AS f {_ON_BOARD.format('f')}",
        columns_of("f", "board_id created_at", custom_field_id="f.task_custom_field_definition_id"),
        "b.organization_id",
    ),
    _TASKS,
    copy_of(
        "task_dependencies",
        f"task_dependencies AS d {_ON_TASK.format('d')}",
        columns_of("d", "task_id depends_on_task_id created_at"),
        "b.organization_id",
    ),
    copy_of(
        "task_tags",
        f"tag_assignments AS x {_ON_TASK.format('x')}",
        columns_of("x", "task_id tag_id created_at"),
        "b.organization_id",
    ),
    _VALUES,
    _COMMENTS,
    _APPROVALS,
    _APPROVAL_TASKS,
    _memory("board_memory", "board_id", "boards"),
    _memory("board_group_memory", "board_group_id", "board_groups"),
    _WEBHOOKS,
    _PAYLOADS,
    _ACTIVITY,
)
