"""What becomes of each old table: for each table of this backend a query of the old database that gives its rows."""

from typing import Final, NamedTuple

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


class TableCopy(NamedTuple):
    """The rows of one of our tables: `columns` are our names with expressions over `source`, a FROM clause."""

    table: str
    source: str
    columns: dict[str, str]

    def rows(self) -> str:
        """Return the SELECT of the rows in the old database."""
        shown = ", ".join(f"{expression} AS {name}" for name, expression in self.columns.items())
        return f"SELECT {shown} FROM {self.source}"

    def stored(self) -> str:
        """Return the SELECT of the same columns in ours."""
        return f"SELECT {', '.join(self.columns)} FROM {self.table}"


def _utc(column: str) -> str:
    # The old backend stores UTC without saying so.
    return f"{column} AT TIME ZONE 'UTC'"


def _json(column: str, kind: str = "jsonb") -> str:
    # The old backend stores JSON's null where nothing is meant.
    return f"nullif({column}::text, 'null')::{kind}"


def _columns(alias: str, names: str, **others: str) -> dict[str, str]:
    """Return the expressions of columns that keep their names, and after them those that do not."""
    same = {name: _utc(f"{alias}.{name}") if name.endswith("_at") else f"{alias}.{name}" for name in names.split()}
    return {**same, **others}


def _copy(table: str, source: str, columns: dict[str, str], organization: str) -> TableCopy:
    return TableCopy(table, source, {**columns, "organization_id": organization})


def _memory(table: str, owner: str, owners: str) -> TableCopy:
    # `is_chat` follows from the tags in both backends.
    tags = f"CASE WHEN {_json('m.tags')} IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(m.tags::jsonb)) END"
    columns = _columns("m", f"id created_at {owner} content source", tags=tags)
    return _copy(table, f"{table} AS m JOIN {owners} AS o ON o.id = m.{owner}", columns, "o.organization_id")


def _access(table: str, old_table: str, owner: str, owners: str) -> TableCopy:
    columns = _columns("x", f"id created_at updated_at {owner} board_id can_read can_write")
    return _copy(table, f"{old_table} AS x JOIN {owners} AS o ON o.id = x.{owner}", columns, "o.organization_id")


_OWN_TIMES = "id created_at updated_at"
_ON_BOARD = "JOIN boards AS b ON b.id = {}.board_id"
_ON_TASK = "JOIN tasks AS t ON t.id = {}.task_id JOIN boards AS b ON b.id = t.board_id"
_SECRET_BYTES = f"sha256(convert_to(current_setting('{KEY}') || {{}}.id::text, 'UTF8'))"
_GOOD_FOR = f"interval '{GOOD_FOR.total_seconds():.0f} seconds'"

_USERS = TableCopy(
    "users",
    "users AS u LEFT JOIN (SELECT user_id, min(created_at) AS created_at FROM organization_members GROUP BY user_id)"
    " AS joined ON joined.user_id = u.id",
    _columns(
        "u",
        "id email name preferred_name pronouns timezone notes context is_super_admin active_organization_id",
        subject=SUBJECT,
        created_at=f"coalesce({_utc('joined.created_at')}, now())",
        updated_at=f"coalesce({_utc('joined.created_at')}, now())",
    ),
)
_BOARDS = _copy(
    "boards",
    "boards AS b",
    _columns(
        "b",
        f"{_OWN_TIMES} name slug description board_type objective goal_confirmed goal_source require_approval_for_done"
        " require_review_before_done comment_required_for_review block_status_changes_with_pending_approval"
        " only_lead_can_change_status max_agents board_group_id",
        success_metrics=_json("b.success_metrics"),
        target_date=_utc("b.target_date"),
    ),
    "b.organization_id",
)
# Its token is another one: the old one is stored as it is, ours is made of the seed.
_INVITES = _copy(
    "organization_invites",
    "organization_invites AS i",
    _columns(
        "i",
        f"{_OWN_TIMES} invited_email role all_boards_read all_boards_write created_by_user_id accepted_by_user_id"
        " accepted_at",
        token_seed=_SECRET_BYTES.format("i"),
        expires_at=f"{_GOOD_FOR} + CASE WHEN i.accepted_at IS NULL THEN now() ELSE {_utc('i.created_at')} END",
    ),
    "i.organization_id",
)
# Nobody has the token of this hash: the old hash is another function's.
_AGENTS = _copy(
    "agents",
    "agents AS a JOIN gateways AS g ON g.id = a.gateway_id LEFT JOIN boards AS b ON b.id = a.board_id",
    _columns(
        "a",
        f"{_OWN_TIMES} board_id name status is_board_lead last_seen_at",
        heartbeat_config=_json("a.heartbeat_config"),
        identity_profile=_json("a.identity_profile"),
        token_hash=_SECRET_BYTES.format("a"),
    ),
    "coalesce(b.organization_id, g.organization_id)",
)
_FIELDS = _copy(
    "custom_fields",
    "task_custom_field_definitions AS d",
    _columns(
        "d",
        f"{_OWN_TIMES} field_key label field_type ui_visibility validation_regex description required",
        default_value=_json("d.default_value", "json"),
    ),
    "d.organization_id",
)
# A task without a value shows the default in the old backend, and no value in this one.
_VALUES = _copy(
    "custom_field_values",
    "(SELECT task_id, task_custom_field_definition_id, created_at, value FROM task_custom_field_values"
    " WHERE value::text <> 'null' UNION ALL"
    " SELECT t.id, d.id, t.created_at, d.default_value FROM task_custom_field_definitions AS d"
    " JOIN board_task_custom_fields AS f ON f.task_custom_field_definition_id = d.id"
    " JOIN tasks AS t ON t.board_id = f.board_id WHERE d.default_value::text <> 'null' AND NOT EXISTS ("
    "SELECT FROM task_custom_field_values AS v WHERE v.task_id = t.id AND v.task_custom_field_definition_id = d.id)"
    f") AS v {_ON_TASK.format('v')}",
    _columns("v", "task_id created_at value", custom_field_id="v.task_custom_field_definition_id"),
    "b.organization_id",
)
_TASKS = _copy(
    "tasks",
    f"tasks AS t {_ON_BOARD.format('t')}",
    _columns(
        "t",
        f"{_OWN_TIMES} board_id created_by_user_id title description status priority in_progress_at due_at"
        " assigned_agent_id",
    ),
    "b.organization_id",
)
_COMMENTS = _copy(
    "task_comments",
    f"activity_events AS e {_ON_TASK.format('e')} AND e.event_type = '{OLD_COMMENTED}'",
    _columns("e", "id created_at task_id", message="coalesce(e.message, '')", author_agent_id="e.agent_id"),
    "b.organization_id",
)
_APPROVALS = _copy(
    "approvals",
    f"approvals AS a {_ON_BOARD.format('a')}",
    _columns(
        "a",
        "id created_at board_id agent_id action_type confidence status",
        payload=_json("a.payload"),
        rubric_scores=_json("a.rubric_scores"),
        # One that is pending again keeps its time there, and one that was made resolved has none.
        resolved_at=f"CASE WHEN a.status <> 'pending' THEN {_utc('coalesce(a.resolved_at, a.created_at)')} END",
    ),
    "b.organization_id",
)
_LINKS = (
    "(SELECT id, approval_id, task_id, created_at FROM approval_task_links UNION ALL"
    " SELECT NULL, a.id, a.task_id, a.created_at FROM approvals AS a WHERE a.task_id IS NOT NULL AND NOT EXISTS ("
    "SELECT FROM approval_task_links AS l WHERE l.approval_id = a.id AND l.task_id = a.task_id)) AS l"
)
APPROVED_TASKS: Final = f"{_LINKS} JOIN approvals AS a ON a.id = l.approval_id {_ON_BOARD.format('a')}"
_APPROVAL_TASKS = _copy(
    "approval_tasks",
    APPROVED_TASKS,
    _columns(
        "l",
        "approval_id task_id created_at",
        position="row_number() OVER (PARTITION BY a.id"
        " ORDER BY (l.task_id IS NOT DISTINCT FROM a.task_id) DESC, l.created_at, l.id) - 1",
        is_pending="a.status = 'pending'",
    ),
    "b.organization_id",
)
_WEBHOOKS = _copy(
    "board_webhooks",
    f"board_webhooks AS w {_ON_BOARD.format('w')}",
    _columns(
        "w",
        f"{_OWN_TIMES} board_id agent_id description enabled",
        secret="nullif(w.secret, '')",  # noqa: S106 - an expression
        signature_header="coalesce(nullif(w.signature_header, ''),"
        f" CASE WHEN nullif(w.secret, '') IS NULL THEN '{SIGNATURE_HEADER}' ELSE '{_OLD_SIGNATURE_HEADER}' END)",
    ),
    "b.organization_id",
)
_PAYLOADS = _copy(
    "board_webhook_payloads",
    f"board_webhook_payloads AS p JOIN board_webhooks AS w ON w.id = p.webhook_id {_ON_BOARD.format('w')}",
    _columns(
        "p",
        "id webhook_id source_ip content_type",
        created_at=_utc("p.received_at"),
        body="convert_to(coalesce(p.payload::text, ''), 'UTF8')",
        headers=f"coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each({_json('p.headers')})"
        f" WHERE key !~* '{CREDENTIAL_HEADERS.pattern}' AND lower(key) IS DISTINCT FROM lower(w.signature_header)),"
        " '{}')",
    ),
    "b.organization_id",
)
# Ours tells where the task came from and where it went; the old one says the latter alone.
_MOVES = (
    "(SELECT id, went_to, lag(went_to, 1, 'inbox') OVER (PARTITION BY task_id ORDER BY created_at, id) AS came_from"
    " FROM (SELECT id, task_id, created_at, CASE WHEN message LIKE 'Task returned to inbox:%' THEN 'inbox'"
    " ELSE substring(message FROM '^Task moved to (inbox|in_progress|review|done): ') END AS went_to"
    f" FROM activity_events WHERE event_type = '{STATUS_CHANGED}' AND task_id IS NOT NULL) AS told) AS moved"
)
EVENTS: Final = (
    "activity_events AS e LEFT JOIN tasks AS t ON t.id = e.task_id LEFT JOIN agents AS a ON a.id = e.agent_id"
    " LEFT JOIN gateways AS g ON g.id = a.gateway_id"
    " LEFT JOIN boards AS b ON b.id = coalesce(e.board_id, t.board_id, a.board_id)"
)
EVENT_ORGANIZATION: Final = "coalesce(b.organization_id, g.organization_id)"
_ACTIVITY = _copy(
    "activity_events",
    f"{EVENTS} LEFT JOIN {_MOVES} ON moved.id = e.id",
    _columns(
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
    TableCopy("organizations", "organizations AS o", _columns("o", f"{_OWN_TIMES} name")),
    _USERS,
    _copy(
        "organization_members",
        "organization_members AS m",
        _columns("m", f"{_OWN_TIMES} user_id role all_boards_read all_boards_write"),
        "m.organization_id",
    ),
    _copy(
        "board_groups",
        "board_groups AS g",
        _columns("g", f"{_OWN_TIMES} name slug description"),
        "g.organization_id",
    ),
    _BOARDS,
    _access("board_access", "organization_board_access", "organization_member_id", "organization_members"),
    _INVITES,
    _access(
        "invite_board_access", "organization_invite_board_access", "organization_invite_id", "organization_invites"
    ),
    _AGENTS,
    _copy("tags", "tags AS g", _columns("g", f"{_OWN_TIMES} name slug color description"), "g.organization_id"),
    _FIELDS,
    _copy(
        "custom_field_boards",
        f"board_task_custom_fields AS f {_ON_BOARD.format('f')}",
        _columns("f", "board_id created_at", custom_field_id="f.task_custom_field_definition_id"),
        "b.organization_id",
    ),
    _TASKS,
    _copy(
        "task_dependencies",
        f"task_dependencies AS d {_ON_TASK.format('d')}",
        _columns("d", "task_id depends_on_task_id created_at"),
        "b.organization_id",
    ),
    _copy(
        "task_tags",
        f"tag_assignments AS x {_ON_TASK.format('x')}",
        _columns("x", "task_id tag_id created_at"),
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
