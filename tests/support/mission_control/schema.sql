-- The tables of OpenClaw Mission Control at the head of its migrations, without the indexes that are only for speed.

CREATE TABLE alembic_version (
    version_num varchar(32) PRIMARY KEY
);

CREATE TABLE organizations (
    id uuid PRIMARY KEY,
    name varchar NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);

CREATE TABLE skill_packs (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations,
    name varchar NOT NULL,
    description varchar,
    source_url varchar NOT NULL,
    branch varchar DEFAULT 'main' NOT NULL,
    metadata json DEFAULT '{}' NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    CHECK (source_url LIKE 'https://github.com/%/%'),
    UNIQUE (organization_id, source_url)
);

CREATE TABLE tags (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations,
    name varchar NOT NULL,
    slug varchar NOT NULL,
    color varchar NOT NULL,
    description varchar,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    UNIQUE (organization_id, slug)
);

CREATE TABLE task_custom_field_definitions (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations,
    field_key varchar NOT NULL,
    label varchar NOT NULL,
    field_type varchar DEFAULT 'text' NOT NULL,
    ui_visibility varchar DEFAULT 'always' NOT NULL,
    validation_regex varchar,
    description varchar,
    required boolean NOT NULL,
    default_value json,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    CHECK (field_type IN ('text', 'text_long', 'integer', 'decimal', 'boolean', 'date', 'date_time', 'url', 'json')),
    CHECK (ui_visibility IN ('always', 'if_set', 'hidden')),
    UNIQUE (organization_id, field_key)
);

CREATE TABLE users (
    id uuid PRIMARY KEY,
    clerk_user_id varchar NOT NULL,
    email varchar,
    name varchar,
    preferred_name varchar,
    pronouns varchar,
    timezone varchar,
    notes varchar,
    context varchar,
    is_super_admin boolean NOT NULL,
    active_organization_id uuid REFERENCES organizations,
    UNIQUE (clerk_user_id)
);

CREATE TABLE board_groups (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations,
    name varchar NOT NULL,
    slug varchar NOT NULL,
    description varchar,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);

CREATE TABLE gateways (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations,
    name varchar NOT NULL,
    url varchar NOT NULL,
    token varchar,
    workspace_root varchar NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    disable_device_pairing boolean NOT NULL,
    allow_insecure_tls boolean NOT NULL
);

CREATE TABLE marketplace_skills (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations,
    name varchar NOT NULL,
    description varchar,
    category varchar,
    risk varchar,
    source varchar,
    source_url varchar NOT NULL,
    metadata json DEFAULT '{}' NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    UNIQUE (organization_id, source_url)
);

CREATE TABLE organization_invites (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations,
    invited_email varchar NOT NULL,
    token varchar NOT NULL,
    role varchar NOT NULL,
    all_boards_read boolean NOT NULL,
    all_boards_write boolean NOT NULL,
    created_by_user_id uuid REFERENCES users,
    accepted_by_user_id uuid REFERENCES users,
    accepted_at timestamp,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    UNIQUE (token)
);

CREATE TABLE organization_members (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations,
    user_id uuid NOT NULL REFERENCES users,
    role varchar NOT NULL,
    all_boards_read boolean NOT NULL,
    all_boards_write boolean NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    UNIQUE (organization_id, user_id)
);

CREATE TABLE board_group_memory (
    id uuid PRIMARY KEY,
    board_group_id uuid NOT NULL REFERENCES board_groups,
    content varchar NOT NULL,
    tags json,
    is_chat boolean NOT NULL,
    source varchar,
    created_at timestamp NOT NULL
);

CREATE TABLE boards (
    id uuid PRIMARY KEY,
    organization_id uuid NOT NULL REFERENCES organizations,
    name varchar NOT NULL,
    slug varchar NOT NULL,
    gateway_id uuid REFERENCES gateways,
    board_group_id uuid REFERENCES board_groups,
    board_type varchar NOT NULL,
    objective varchar,
    success_metrics json,
    target_date timestamp,
    goal_confirmed boolean NOT NULL,
    goal_source varchar,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    description varchar NOT NULL,
    require_approval_for_done boolean DEFAULT true NOT NULL,
    require_review_before_done boolean DEFAULT false NOT NULL,
    block_status_changes_with_pending_approval boolean DEFAULT false NOT NULL,
    only_lead_can_change_status boolean DEFAULT false NOT NULL,
    max_agents integer NOT NULL,
    comment_required_for_review boolean DEFAULT false NOT NULL
);

CREATE TABLE gateway_installed_skills (
    id uuid PRIMARY KEY,
    gateway_id uuid NOT NULL,
    skill_id uuid NOT NULL REFERENCES marketplace_skills,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    UNIQUE (gateway_id, skill_id)
);

CREATE TABLE organization_board_access (
    id uuid PRIMARY KEY,
    organization_member_id uuid NOT NULL REFERENCES organization_members,
    board_id uuid NOT NULL REFERENCES boards,
    can_read boolean NOT NULL,
    can_write boolean NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    UNIQUE (organization_member_id, board_id)
);

CREATE TABLE organization_invite_board_access (
    id uuid PRIMARY KEY,
    organization_invite_id uuid NOT NULL REFERENCES organization_invites,
    board_id uuid NOT NULL REFERENCES boards,
    can_read boolean NOT NULL,
    can_write boolean NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    UNIQUE (organization_invite_id, board_id)
);

CREATE TABLE agents (
    id uuid PRIMARY KEY,
    board_id uuid REFERENCES boards,
    name varchar NOT NULL,
    status varchar NOT NULL,
    openclaw_session_id varchar,
    agent_token_hash varchar,
    heartbeat_config json,
    identity_profile json,
    identity_template text,
    soul_template text,
    provision_requested_at timestamp,
    provision_confirm_token_hash varchar,
    provision_action varchar,
    delete_requested_at timestamp,
    delete_confirm_token_hash varchar,
    last_seen_at timestamp,
    is_board_lead boolean NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    gateway_id uuid NOT NULL REFERENCES gateways,
    lifecycle_generation integer NOT NULL,
    wake_attempts integer NOT NULL,
    last_wake_sent_at timestamp,
    checkin_deadline_at timestamp,
    last_provision_error text
);

CREATE TABLE board_memory (
    id uuid PRIMARY KEY,
    board_id uuid NOT NULL REFERENCES boards,
    content varchar NOT NULL,
    tags json,
    is_chat boolean NOT NULL,
    source varchar,
    created_at timestamp NOT NULL
);

CREATE TABLE board_onboarding_sessions (
    id uuid PRIMARY KEY,
    board_id uuid NOT NULL REFERENCES boards,
    session_key varchar NOT NULL,
    status varchar NOT NULL,
    messages json,
    draft_goal json,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL
);

CREATE TABLE board_task_custom_fields (
    id uuid PRIMARY KEY,
    board_id uuid NOT NULL REFERENCES boards,
    task_custom_field_definition_id uuid NOT NULL REFERENCES task_custom_field_definitions,
    created_at timestamp NOT NULL,
    UNIQUE (board_id, task_custom_field_definition_id)
);

CREATE TABLE board_webhooks (
    id uuid PRIMARY KEY,
    board_id uuid NOT NULL REFERENCES boards,
    description varchar NOT NULL,
    enabled boolean NOT NULL,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    agent_id uuid REFERENCES agents,
    secret varchar,
    signature_header varchar
);

CREATE TABLE tasks (
    id uuid PRIMARY KEY,
    board_id uuid REFERENCES boards,
    title varchar NOT NULL,
    description varchar,
    status varchar NOT NULL,
    priority varchar NOT NULL,
    due_at timestamp,
    in_progress_at timestamp,
    created_by_user_id uuid REFERENCES users,
    assigned_agent_id uuid REFERENCES agents,
    auto_created boolean NOT NULL,
    auto_reason varchar,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    previous_in_progress_at timestamp
);

CREATE TABLE activity_events (
    id uuid PRIMARY KEY,
    event_type varchar NOT NULL,
    message varchar,
    agent_id uuid REFERENCES agents,
    task_id uuid REFERENCES tasks,
    created_at timestamp NOT NULL,
    board_id uuid
);

CREATE TABLE approvals (
    id uuid PRIMARY KEY,
    board_id uuid NOT NULL REFERENCES boards,
    task_id uuid REFERENCES tasks,
    agent_id uuid REFERENCES agents,
    action_type varchar NOT NULL,
    payload json,
    confidence double precision NOT NULL,
    rubric_scores json,
    status varchar NOT NULL,
    created_at timestamp NOT NULL,
    resolved_at timestamp
);

CREATE TABLE board_webhook_payloads (
    id uuid PRIMARY KEY,
    board_id uuid NOT NULL REFERENCES boards,
    webhook_id uuid NOT NULL REFERENCES board_webhooks,
    payload json,
    headers json,
    source_ip varchar,
    content_type varchar,
    received_at timestamp NOT NULL
);

CREATE TABLE tag_assignments (
    id uuid PRIMARY KEY,
    task_id uuid NOT NULL REFERENCES tasks,
    tag_id uuid NOT NULL REFERENCES tags,
    created_at timestamp NOT NULL,
    UNIQUE (task_id, tag_id)
);

CREATE TABLE task_custom_field_values (
    id uuid PRIMARY KEY,
    task_id uuid NOT NULL REFERENCES tasks,
    task_custom_field_definition_id uuid NOT NULL REFERENCES task_custom_field_definitions,
    value json,
    created_at timestamp NOT NULL,
    updated_at timestamp NOT NULL,
    UNIQUE (task_id, task_custom_field_definition_id)
);

CREATE TABLE task_dependencies (
    id uuid PRIMARY KEY,
    board_id uuid NOT NULL REFERENCES boards,
    task_id uuid NOT NULL REFERENCES tasks,
    depends_on_task_id uuid NOT NULL REFERENCES tasks,
    created_at timestamp NOT NULL,
    CHECK (task_id <> depends_on_task_id),
    UNIQUE (task_id, depends_on_task_id)
);

CREATE TABLE task_fingerprints (
    id uuid PRIMARY KEY,
    board_id uuid NOT NULL REFERENCES boards,
    fingerprint_hash varchar NOT NULL,
    task_id uuid NOT NULL REFERENCES tasks,
    created_at timestamp NOT NULL
);

CREATE TABLE approval_task_links (
    id uuid PRIMARY KEY,
    approval_id uuid NOT NULL REFERENCES approvals,
    task_id uuid NOT NULL REFERENCES tasks,
    created_at timestamp NOT NULL,
    UNIQUE (approval_id, task_id)
);
