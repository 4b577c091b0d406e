"""The tables of the old backend at the head of its migrations."""

from typing import Final

# The types of information_schema, of which some are one to us.
SAME_TYPES: Final = {"character varying": "text", "jsonb": "json", "timestamp without time zone": "timestamp"}
_COLUMNS: Final = {
    "activity_events": "id uuid, event_type text, message text, agent_id uuid, task_id uuid, board_id uuid,"
    " created_at timestamp",
    "agents": "id uuid, board_id uuid, gateway_id uuid, name text, status text, openclaw_session_id text,"
    " agent_token_hash text, heartbeat_config json, identity_profile json, identity_template text, soul_template text,"
    " provision_requested_at timestamp, provision_confirm_token_hash text, provision_action text,"
    " delete_requested_at timestamp, delete_confirm_token_hash text, last_seen_at timestamp,"
    " lifecycle_generation integer, wake_attempts integer, last_wake_sent_at timestamp, checkin_deadline_at timestamp,"
    " last_provision_error text, is_board_lead boolean, created_at timestamp, updated_at timestamp",
    "alembic_version": "version_num text",
    "approval_task_links": "id uuid, approval_id uuid, task_id uuid, created_at timestamp",
    "approvals": "id uuid, board_id uuid, task_id uuid, agent_id uuid, action_type text, payload json,"
    " confidence double precision, rubric_scores json, status text, created_at timestamp, resolved_at timestamp",
    "board_group_memory": "id uuid, board_group_id uuid, content text, tags json, is_chat boolean, source text,"
    " created_at timestamp",
    "board_groups": "id uuid, organization_id uuid, name text, slug text, description text, created_at timestamp,"
    " updated_at timestamp",
    "board_memory": "id uuid, board_id uuid, content text, tags json, is_chat boolean, source text,"
    " created_at timestamp",
    "board_onboarding_sessions": "id uuid, board_id uuid, session_key text, status text, messages json,"
    " draft_goal json, created_at timestamp, updated_at timestamp",
    "board_task_custom_fields": "id uuid, board_id uuid, task_custom_field_definition_id uuid, created_at timestamp",
    "board_webhook_payloads": "id uuid, board_id uuid, webhook_id uuid, payload json, headers json, source_ip text,"
    " content_type text, received_at timestamp",
    "board_webhooks": "id uuid, board_id uuid, agent_id uuid, description text, enabled boolean, secret text,"
    " signature_header text, created_at timestamp, updated_at timestamp",
    "boards": "id uuid, organization_id uuid, name text, slug text, description text, gateway_id uuid,"
    " board_group_id uuid, board_type text, objective text, success_metrics json, target_date timestamp,"
    " goal_confirmed boolean, goal_source text, require_approval_for_done boolean,"
    " require_review_before_done boolean, comment_required_for_review boolean,"
    " block_status_changes_with_pending_approval boolean, only_lead_can_change_status boolean, max_agents integer,"
    " created_at timestamp, updated_at timestamp",
    "gateway_installed_skills": "id uuid, gateway_id uuid, skill_id uuid, created_at timestamp, updated_at timestamp",
    "gateways": "id uuid, organization_id uuid, name text, url text, token text, disable_device_pairing boolean,"
    " workspace_root text, allow_insecure_tls boolean, created_at timestamp, updated_at timestamp",
    "marketplace_skills": "id uuid, organization_id uuid, name text, description text, category text, risk text,"
    " source text, source_url text, metadata json, created_at timestamp, updated_at timestamp",
    "organization_board_access": "id uuid, organization_member_id uuid, board_id uuid, can_read boolean,"
    " can_write boolean, created_at timestamp, updated_at timestamp",
    "organization_invite_board_access": "id uuid, organization_invite_id uuid, board_id uuid, can_read boolean,"
    " can_write boolean, created_at timestamp, updated_at timestamp",
    "organization_invites": "id uuid, organization_id uuid, invited_email text, token text, role text,"
    " all_boards_read boolean, all_boards_write boolean, created_by_user_id uuid, accepted_by_user_id uuid,"
    " accepted_at timestamp, created_at timestamp, updated_at timestamp",
    "organization_members": "id uuid, organization_id uuid, user_id uuid, role text, all_boards_read boolean,"
    " all_boards_write boolean, created_at timestamp, updated_at timestamp",
    "organizations": "id uuid, name text, created_at timestamp, updated_at timestamp",
    "skill_packs": "id uuid, organization_id uuid, name text, description text, source_url text, branch text,"
    " metadata json, created_at timestamp, updated_at timestamp",
    "tag_assignments": "id uuid, task_id uuid, tag_id uuid, created_at timestamp",
    "tags": "id uuid, organization_id uuid, name text, slug text, color text, description text, created_at timestamp,"
    " updated_at timestamp",
    "task_custom_field_definitions": "id uuid, organization_id uuid, field_key text, label text, field_type text,"
    " ui_visibility text, validation_regex text, description text, required boolean, default_value json,"
    " created_at timestamp, updated_at timestamp",
    "task_custom_field_values": "id uuid, task_id uuid, task_custom_field_definition_id uuid, value json,"
    " created_at timestamp, updated_at timestamp",
    "task_dependencies": "id uuid, board_id uuid, task_id uuid, depends_on_task_id uuid, created_at timestamp",
    "task_fingerprints": "id uuid, board_id uuid, fingerprint_hash text, task_id uuid, created_at timestamp",
    "tasks": "id uuid, board_id uuid, title text, description text, status text, priority text, due_at timestamp,"
    " in_progress_at timestamp, previous_in_progress_at timestamp, created_by_user_id uuid, assigned_agent_id uuid,"
    " auto_created boolean, auto_reason text, created_at timestamp, updated_at timestamp",
    "users": "id uuid, clerk_user_id text, email text, name text, preferred_name text, pronouns text, timezone text,"
    " notes text, context text, is_super_admin boolean, active_organization_id uuid",
}
# Table -> column -> type.
OLD_TABLES: Final[dict[str, dict[str, str]]] = {
    table: dict(column.split(" ", 1) for column in columns.split(", ")) for table, columns in _COLUMNS.items()
}
# A database whose tables were made without migrations does not have it.
OPTIONAL_TABLES: Final = frozenset({"alembic_version"})
# They serve the gateway runtime, which this backend does without.
LEFT_TABLES: Final = (
    "gateways",
    "gateway_installed_skills",
    "marketplace_skills",
    "skill_packs",
    "board_onboarding_sessions",
    "task_fingerprints",
)
# Table -> columns that this backend has no place for.
LEFT_COLUMNS: Final = {
    "agents": (
        "openclaw_session_id",
        "identity_template",
        "soul_template",
        "provision_action",
        "last_provision_error",
    ),
    "tasks": ("auto_reason", "previous_in_progress_at"),
}
TAKEN_TIMES: Final = (
    "accepted_at",
    "created_at",
    "due_at",
    "in_progress_at",
    "last_seen_at",
    "received_at",
    "resolved_at",
    "target_date",
    "updated_at",
)
