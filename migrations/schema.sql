-- The schema that the revisions make, without monthly partitions, which depend on the date, without privileges, and
-- without the tables of Alembic and of the migration engine. It is generated.

SET check_function_bodies = off;

CREATE OR REPLACE FUNCTION count_tasks()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    board_ids uuid[];
    statuses text[];
    numbers bigint[];
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        SELECT array_agg(board_id), array_agg(status), array_agg(n) INTO board_ids, statuses, numbers
        FROM (SELECT board_id, status, count(*) AS n FROM added GROUP BY board_id, status) AS change;
    WHEN 'DELETE' THEN
        SELECT array_agg(board_id), array_agg(status), array_agg(n) INTO board_ids, statuses, numbers
        FROM (SELECT board_id, status, -count(*) AS n FROM removed GROUP BY board_id, status) AS change;
    WHEN 'UPDATE' THEN
        SELECT array_agg(board_id), array_agg(status), array_agg(n) INTO board_ids, statuses, numbers
        FROM (
            SELECT board_id, status, sum(one) AS n
            FROM (SELECT board_id, status, 1 AS one FROM added
                  UNION ALL SELECT board_id, status, -1 FROM removed) AS task
            GROUP BY board_id, status HAVING sum(one) <> 0
        ) AS change;
    ELSE
        DELETE FROM task_counts;
    END CASE;
    IF board_ids IS NULL THEN
        RETURN NULL;
    END IF;
    -- A board that is being deleted, and its tasks with it, is gone already. One that this transaction does not see
    -- for another reason gets no tasks: organization_id would be NULL.
    INSERT INTO task_counts (organization_id, board_id, id, status, tasks)
    SELECT boards.organization_id, change.board_id, gen_random_uuid(), change.status, change.n
    FROM unnest(board_ids, statuses, numbers) AS change (board_id, status, n)
    LEFT JOIN boards ON boards.id = change.board_id
    WHERE boards.id IS NOT NULL OR change.n > 0;
    -- Once in sixteen times, and once in a transaction, which reads again what it has deleted itself: all rows of the
    -- boards that nobody else is folding become one for each status. A transaction with one view of everything could
    -- fail over rows that another one has folded.
    IF random() < 0.0625 AND current_setting('transaction_isolation') = 'read committed'
       AND coalesce(current_setting('plimsoll.has_folded', true), '') = '' THEN
        PERFORM set_config('plimsoll.has_folded', 'yes', true);
        WITH folded AS (
            DELETE FROM task_counts WHERE ctid = ANY (ARRAY(
                SELECT kept.ctid
                FROM boards JOIN task_counts AS kept
                ON kept.organization_id = boards.organization_id AND kept.board_id = boards.id
                WHERE boards.id = ANY (board_ids)
                FOR UPDATE OF kept SKIP LOCKED
            ))
            RETURNING organization_id, board_id, status, tasks
        )
        INSERT INTO task_counts (organization_id, board_id, id, status, tasks)
        SELECT organization_id, board_id, gen_random_uuid(), status, sum(tasks) FROM folded
        GROUP BY organization_id, board_id, status HAVING sum(tasks) <> 0;
    END IF;
    RETURN NULL;
END
$function$;

CREATE OR REPLACE FUNCTION forget_task_counts()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    DELETE FROM task_counts USING removed
    WHERE task_counts.organization_id = removed.organization_id AND task_counts.board_id = removed.id;
    RETURN NULL;
END
$function$;

CREATE TABLE activity_events (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    event_type text NOT NULL,
    message text,
    user_id uuid,
    agent_id uuid,
    board_group_id uuid,
    board_id uuid,
    task_id uuid,
    subject_id uuid,
    transaction_id bigint DEFAULT pg_current_xact_id()::text::bigint NOT NULL,
    CONSTRAINT pk_activity_events PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);

CREATE INDEX ix_activity_events_board_id_created_at_id ON activity_events USING btree (board_id, created_at, id);

CREATE INDEX ix_activity_events_comments ON activity_events USING btree (organization_id, created_at, id) WHERE event_type = 'task.commented'::text;

CREATE INDEX ix_activity_events_organization_id_created_at_id ON activity_events USING btree (organization_id, created_at, id);

CREATE INDEX ix_activity_events_organization_id_transaction_id ON activity_events USING btree (organization_id, transaction_id);

CREATE TABLE agents (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    board_id uuid,
    name text NOT NULL,
    status text DEFAULT 'provisioning'::text NOT NULL,
    heartbeat_config jsonb,
    identity_profile jsonb,
    is_board_lead boolean DEFAULT false NOT NULL,
    last_seen_at timestamp with time zone,
    token_hash bytea NOT NULL,
    CONSTRAINT pk_agents PRIMARY KEY (id),
    CONSTRAINT uq_agents_token_hash UNIQUE (token_hash)
);

CREATE INDEX ix_agents_board_id_created_at_id ON agents USING btree (board_id, created_at, id);

CREATE INDEX ix_agents_organization_id_created_at_id ON agents USING btree (organization_id, created_at, id);

CREATE UNIQUE INDEX uq_agents_board_id_lead ON agents USING btree (board_id) WHERE is_board_lead;

CREATE TABLE approval_tasks (
    approval_id uuid NOT NULL,
    task_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    position bigint NOT NULL,
    is_pending boolean DEFAULT false NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT pk_approval_tasks PRIMARY KEY (approval_id, task_id)
);

CREATE INDEX ix_approval_tasks_task_id ON approval_tasks USING btree (task_id);

CREATE UNIQUE INDEX uq_approval_tasks_task_id_pending ON approval_tasks USING btree (task_id) WHERE is_pending;

CREATE TABLE approvals (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    board_id uuid NOT NULL,
    agent_id uuid,
    action_type text NOT NULL,
    payload jsonb,
    confidence double precision NOT NULL,
    rubric_scores jsonb,
    lead_reasoning text,
    status text DEFAULT 'pending'::text NOT NULL,
    resolved_at timestamp with time zone,
    CONSTRAINT ck_approvals_confidence CHECK (confidence >= 0::double precision AND confidence <= 100::double precision),
    CONSTRAINT ck_approvals_resolved CHECK ((status = 'pending'::text) = (resolved_at IS NULL)),
    CONSTRAINT ck_approvals_status CHECK (status = ANY (ARRAY['pending'::text, 'approved'::text, 'rejected'::text])),
    CONSTRAINT pk_approvals PRIMARY KEY (id)
);

CREATE INDEX ix_approvals_agent_id ON approvals USING btree (agent_id);

CREATE INDEX ix_approvals_board_id_created_at_id ON approvals USING btree (board_id, created_at, id);

CREATE INDEX ix_approvals_organization_id_created_at ON approvals USING btree (organization_id, created_at) WHERE status = 'pending'::text;

CREATE TABLE board_access (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_member_id uuid NOT NULL,
    board_id uuid NOT NULL,
    can_read boolean DEFAULT true NOT NULL,
    can_write boolean DEFAULT false NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT pk_board_access PRIMARY KEY (id),
    CONSTRAINT uq_board_access_organization_member_id_board_id UNIQUE (organization_member_id, board_id)
);

CREATE INDEX ix_board_access_board_id ON board_access USING btree (board_id);

CREATE TABLE board_group_memory (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    board_group_id uuid NOT NULL,
    content text NOT NULL,
    tags text[],
    source text,
    is_chat boolean GENERATED ALWAYS AS (COALESCE('chat'::text = ANY (tags), false)) STORED NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT pk_board_group_memory PRIMARY KEY (id)
);

CREATE INDEX ix_board_group_memory_board_group_id_created_at_id ON board_group_memory USING btree (board_group_id, created_at, id);

CREATE INDEX ix_board_group_memory_board_group_id_is_chat_created_at_id ON board_group_memory USING btree (board_group_id, is_chat, created_at, id);

CREATE TABLE board_groups (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    name text NOT NULL,
    slug text NOT NULL,
    description text,
    CONSTRAINT pk_board_groups PRIMARY KEY (id),
    CONSTRAINT uq_board_groups_organization_id_slug UNIQUE (organization_id, slug)
);

CREATE INDEX ix_board_groups_organization_id_created_at_id ON board_groups USING btree (organization_id, created_at, id);

CREATE TABLE board_memory (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    board_id uuid NOT NULL,
    content text NOT NULL,
    tags text[],
    source text,
    is_chat boolean GENERATED ALWAYS AS (COALESCE('chat'::text = ANY (tags), false)) STORED NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT pk_board_memory PRIMARY KEY (id)
);

CREATE INDEX ix_board_memory_board_id_created_at_id ON board_memory USING btree (board_id, created_at, id);

CREATE INDEX ix_board_memory_board_id_is_chat_created_at_id ON board_memory USING btree (board_id, is_chat, created_at, id);

CREATE TABLE board_webhook_payloads (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    webhook_id uuid NOT NULL,
    body bytea NOT NULL,
    headers jsonb NOT NULL,
    source_ip text,
    content_type text,
    organization_id uuid NOT NULL,
    CONSTRAINT pk_board_webhook_payloads PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);

CREATE INDEX ix_board_webhook_payloads_webhook_id_created_at_id ON board_webhook_payloads USING btree (webhook_id, created_at, id);

CREATE TABLE board_webhooks (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    board_id uuid NOT NULL,
    agent_id uuid,
    description text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    secret text,
    signature_header text DEFAULT 'X-Signature-256'::text NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT pk_board_webhooks PRIMARY KEY (id)
);

CREATE INDEX ix_board_webhooks_agent_id ON board_webhooks USING btree (agent_id) WHERE agent_id IS NOT NULL;

CREATE INDEX ix_board_webhooks_board_id_created_at_id ON board_webhooks USING btree (board_id, created_at, id);

CREATE TABLE boards (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    name text NOT NULL,
    slug text NOT NULL,
    description text NOT NULL,
    board_type text DEFAULT 'goal'::text NOT NULL,
    objective text,
    success_metrics jsonb,
    target_date timestamp with time zone,
    goal_confirmed boolean DEFAULT false NOT NULL,
    goal_source text,
    require_approval_for_done boolean DEFAULT false NOT NULL,
    require_review_before_done boolean DEFAULT false NOT NULL,
    comment_required_for_review boolean DEFAULT false NOT NULL,
    block_status_changes_with_pending_approval boolean DEFAULT false NOT NULL,
    only_lead_can_change_status boolean DEFAULT false NOT NULL,
    max_agents integer DEFAULT 1 NOT NULL,
    board_group_id uuid,
    CONSTRAINT ck_boards_max_agents CHECK (max_agents >= 0),
    CONSTRAINT pk_boards PRIMARY KEY (id),
    CONSTRAINT uq_boards_organization_id_slug UNIQUE (organization_id, slug)
);

CREATE INDEX ix_boards_board_group_id ON boards USING btree (board_group_id) WHERE board_group_id IS NOT NULL;

CREATE INDEX ix_boards_search ON boards USING gin (to_tsvector('english'::regconfig, (name || ' '::text) || COALESCE(description, ''::text)));

CREATE TRIGGER forget_task_counts AFTER DELETE ON boards REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION forget_task_counts();

CREATE TABLE custom_field_boards (
    board_id uuid NOT NULL,
    custom_field_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT pk_custom_field_boards PRIMARY KEY (board_id, custom_field_id)
);

CREATE INDEX ix_custom_field_boards_custom_field_id ON custom_field_boards USING btree (custom_field_id);

CREATE TABLE custom_field_values (
    task_id uuid NOT NULL,
    custom_field_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    value json NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT pk_custom_field_values PRIMARY KEY (task_id, custom_field_id)
);

CREATE INDEX ix_custom_field_values_custom_field_id ON custom_field_values USING btree (custom_field_id);

CREATE TABLE custom_fields (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    field_key text NOT NULL,
    label text NOT NULL,
    field_type text NOT NULL,
    ui_visibility text DEFAULT 'always'::text NOT NULL,
    validation_regex text,
    description text,
    required boolean DEFAULT false NOT NULL,
    default_value json,
    CONSTRAINT ck_custom_fields_field_type CHECK (field_type = ANY (ARRAY['text'::text, 'text_long'::text, 'integer'::text, 'decimal'::text, 'boolean'::text, 'date'::text, 'date_time'::text, 'url'::text, 'json'::text])),
    CONSTRAINT ck_custom_fields_ui_visibility CHECK (ui_visibility = ANY (ARRAY['always'::text, 'if_set'::text, 'hidden'::text])),
    CONSTRAINT pk_custom_fields PRIMARY KEY (id),
    CONSTRAINT uq_custom_fields_organization_id_field_key UNIQUE (organization_id, field_key)
);

CREATE TABLE idempotent_responses (
    caller_id uuid NOT NULL,
    key_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    request_hash bytea NOT NULL,
    response bytea NOT NULL,
    CONSTRAINT pk_idempotent_responses PRIMARY KEY (caller_id, key_hash)
);

CREATE INDEX ix_idempotent_responses_created_at ON idempotent_responses USING btree (created_at);

CREATE TABLE invite_board_access (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_invite_id uuid NOT NULL,
    board_id uuid NOT NULL,
    can_read boolean DEFAULT true NOT NULL,
    can_write boolean DEFAULT false NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT pk_invite_board_access PRIMARY KEY (id),
    CONSTRAINT uq_invite_board_access_organization_invite_id_board_id UNIQUE (organization_invite_id, board_id)
);

CREATE INDEX ix_invite_board_access_board_id ON invite_board_access USING btree (board_id);

CREATE TABLE organization_invites (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    invited_email text NOT NULL,
    role text DEFAULT 'member'::text NOT NULL,
    all_boards_read boolean DEFAULT false NOT NULL,
    all_boards_write boolean DEFAULT false NOT NULL,
    token_seed bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_by_user_id uuid,
    accepted_by_user_id uuid,
    accepted_at timestamp with time zone,
    CONSTRAINT ck_organization_invites_role CHECK (role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text])),
    CONSTRAINT pk_organization_invites PRIMARY KEY (id)
);

CREATE INDEX ix_organization_invites_accepted_by_user_id ON organization_invites USING btree (accepted_by_user_id);

CREATE INDEX ix_organization_invites_created_by_user_id ON organization_invites USING btree (created_by_user_id);

CREATE INDEX ix_organization_invites_organization_id_created_at_id ON organization_invites USING btree (organization_id, created_at, id);

CREATE TABLE organization_members (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text DEFAULT 'member'::text NOT NULL,
    all_boards_read boolean DEFAULT false NOT NULL,
    all_boards_write boolean DEFAULT false NOT NULL,
    CONSTRAINT ck_organization_members_role CHECK (role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text])),
    CONSTRAINT pk_organization_members PRIMARY KEY (id),
    CONSTRAINT uq_organization_members_organization_id_user_id UNIQUE (organization_id, user_id)
);

CREATE INDEX ix_organization_members_user_id ON organization_members USING btree (user_id);

CREATE TABLE organizations (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    name text NOT NULL,
    CONSTRAINT pk_organizations PRIMARY KEY (id)
);

CREATE TABLE personal_tokens (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    scope text NOT NULL,
    token_hash bytea NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    CONSTRAINT ck_personal_tokens_scope CHECK (scope = ANY (ARRAY['read'::text, 'write'::text])),
    CONSTRAINT pk_personal_tokens PRIMARY KEY (id),
    CONSTRAINT uq_personal_tokens_token_hash UNIQUE (token_hash)
);

CREATE INDEX ix_personal_tokens_user_id_created_at_id ON personal_tokens USING btree (user_id, created_at, id);

CREATE TABLE rate_limits (
    key bytea NOT NULL,
    began_at timestamp with time zone NOT NULL,
    count bigint NOT NULL,
    CONSTRAINT pk_rate_limits PRIMARY KEY (key)
);

CREATE INDEX ix_rate_limits_began_at ON rate_limits USING btree (began_at);

CREATE TABLE tags (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    name text NOT NULL,
    slug text NOT NULL,
    color text DEFAULT '9e9e9e'::text NOT NULL,
    description text,
    CONSTRAINT pk_tags PRIMARY KEY (id),
    CONSTRAINT uq_tags_organization_id_slug UNIQUE (organization_id, slug)
);

CREATE TABLE task_comments (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    task_id uuid NOT NULL,
    author_user_id uuid,
    message text NOT NULL,
    author_agent_id uuid,
    organization_id uuid NOT NULL,
    CONSTRAINT pk_task_comments PRIMARY KEY (id)
);

CREATE INDEX ix_task_comments_author_agent_id ON task_comments USING btree (author_agent_id) WHERE author_agent_id IS NOT NULL;

CREATE INDEX ix_task_comments_author_user_id ON task_comments USING btree (author_user_id);

CREATE INDEX ix_task_comments_task_id_created_at_id ON task_comments USING btree (task_id, created_at, id);

CREATE TABLE task_counts (
    organization_id uuid NOT NULL,
    board_id uuid NOT NULL,
    id uuid NOT NULL,
    status text NOT NULL,
    tasks bigint NOT NULL,
    CONSTRAINT pk_task_counts PRIMARY KEY (organization_id, board_id, id)
);

CREATE TABLE task_dependencies (
    task_id uuid NOT NULL,
    depends_on_task_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT ck_task_dependencies_not_itself CHECK (task_id <> depends_on_task_id),
    CONSTRAINT pk_task_dependencies PRIMARY KEY (task_id, depends_on_task_id)
);

CREATE INDEX ix_task_dependencies_depends_on_task_id ON task_dependencies USING btree (depends_on_task_id);

CREATE TABLE task_tags (
    task_id uuid NOT NULL,
    tag_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT pk_task_tags PRIMARY KEY (task_id, tag_id)
);

CREATE INDEX ix_task_tags_tag_id ON task_tags USING btree (tag_id);

CREATE TABLE tasks (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    board_id uuid NOT NULL,
    created_by_user_id uuid,
    title text NOT NULL,
    description text,
    status text DEFAULT 'inbox'::text NOT NULL,
    priority text DEFAULT 'medium'::text NOT NULL,
    in_progress_at timestamp with time zone,
    due_at timestamp with time zone,
    assigned_agent_id uuid,
    organization_id uuid NOT NULL,
    CONSTRAINT ck_tasks_priority CHECK (priority = ANY (ARRAY['low'::text, 'medium'::text, 'high'::text])),
    CONSTRAINT ck_tasks_status CHECK (status = ANY (ARRAY['inbox'::text, 'in_progress'::text, 'review'::text, 'done'::text])),
    CONSTRAINT pk_tasks PRIMARY KEY (id)
);

CREATE INDEX ix_tasks_assigned_agent_id ON tasks USING btree (assigned_agent_id) WHERE assigned_agent_id IS NOT NULL;

CREATE INDEX ix_tasks_board_id_created_at_id ON tasks USING btree (board_id, created_at, id);

CREATE INDEX ix_tasks_board_id_status_created_at_id ON tasks USING btree (board_id, status, created_at, id);

CREATE INDEX ix_tasks_created_by_user_id ON tasks USING btree (created_by_user_id);

CREATE INDEX ix_tasks_search ON tasks USING gin (to_tsvector('english'::regconfig, (title || ' '::text) || COALESCE(description, ''::text)));

CREATE TRIGGER count_added AFTER INSERT ON tasks REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_tasks();

CREATE TRIGGER count_changed AFTER UPDATE ON tasks REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_tasks();

CREATE TRIGGER count_removed AFTER DELETE ON tasks REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_tasks();

CREATE TRIGGER count_truncated AFTER TRUNCATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION count_tasks();

CREATE TABLE users (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    subject text NOT NULL,
    email text,
    name text,
    preferred_name text,
    pronouns text,
    timezone text,
    notes text,
    context text,
    is_super_admin boolean DEFAULT false NOT NULL,
    active_organization_id uuid,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT uq_users_subject UNIQUE (subject)
);

CREATE INDEX ix_users_active_organization_id ON users USING btree (active_organization_id);

ALTER TABLE activity_events ADD CONSTRAINT fk_activity_events_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;

ALTER TABLE agents ADD CONSTRAINT fk_agents_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE;

ALTER TABLE agents ADD CONSTRAINT fk_agents_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;

ALTER TABLE approval_tasks ADD CONSTRAINT fk_approval_tasks_approval_id FOREIGN KEY (approval_id) REFERENCES approvals(id) ON DELETE CASCADE;

ALTER TABLE approval_tasks ADD CONSTRAINT fk_approval_tasks_task_id FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE;

ALTER TABLE approvals ADD CONSTRAINT fk_approvals_agent_id FOREIGN KEY (agent_id) REFERENCES agents(id) ON DELETE SET NULL;

ALTER TABLE approvals ADD CONSTRAINT fk_approvals_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE;

ALTER TABLE approvals ADD CONSTRAINT fk_approvals_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;

ALTER TABLE board_access ADD CONSTRAINT fk_board_access_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE;

ALTER TABLE board_access ADD CONSTRAINT fk_board_access_organization_member_id FOREIGN KEY (organization_member_id) REFERENCES organization_members(id) ON DELETE CASCADE;

ALTER TABLE board_group_memory ADD CONSTRAINT fk_board_group_memory_board_group_id FOREIGN KEY (board_group_id) REFERENCES board_groups(id) ON DELETE CASCADE;

ALTER TABLE board_groups ADD CONSTRAINT fk_board_groups_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;

ALTER TABLE board_memory ADD CONSTRAINT fk_board_memory_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE;

ALTER TABLE board_webhook_payloads ADD CONSTRAINT fk_board_webhook_payloads_webhook_id FOREIGN KEY (webhook_id) REFERENCES board_webhooks(id) ON DELETE CASCADE;

ALTER TABLE board_webhooks ADD CONSTRAINT fk_board_webhooks_agent_id FOREIGN KEY (agent_id) REFERENCES agents(id) ON DELETE SET NULL;

ALTER TABLE board_webhooks ADD CONSTRAINT fk_board_webhooks_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE;

ALTER TABLE boards ADD CONSTRAINT fk_boards_board_group_id FOREIGN KEY (board_group_id) REFERENCES board_groups(id) ON DELETE SET NULL;

ALTER TABLE boards ADD CONSTRAINT fk_boards_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;

ALTER TABLE custom_field_boards ADD CONSTRAINT fk_custom_field_boards_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE;

ALTER TABLE custom_field_boards ADD CONSTRAINT fk_custom_field_boards_custom_field_id FOREIGN KEY (custom_field_id) REFERENCES custom_fields(id) ON DELETE CASCADE;

ALTER TABLE custom_field_values ADD CONSTRAINT fk_custom_field_values_custom_field_id FOREIGN KEY (custom_field_id) REFERENCES custom_fields(id) ON DELETE CASCADE;

ALTER TABLE custom_field_values ADD CONSTRAINT fk_custom_field_values_task_id FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE;

ALTER TABLE custom_fields ADD CONSTRAINT fk_custom_fields_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;

ALTER TABLE invite_board_access ADD CONSTRAINT fk_invite_board_access_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE;

ALTER TABLE invite_board_access ADD CONSTRAINT fk_invite_board_access_organization_invite_id FOREIGN KEY (organization_invite_id) REFERENCES organization_invites(id) ON DELETE CASCADE;

ALTER TABLE organization_invites ADD CONSTRAINT fk_organization_invites_accepted_by_user_id FOREIGN KEY (accepted_by_user_id) REFERENCES users(id) ON DELETE SET NULL;

ALTER TABLE organization_invites ADD CONSTRAINT fk_organization_invites_created_by_user_id FOREIGN KEY (created_by_user_id) REFERENCES users(id) ON DELETE SET NULL;

ALTER TABLE organization_invites ADD CONSTRAINT fk_organization_invites_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;

ALTER TABLE organization_members ADD CONSTRAINT fk_organization_members_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;

ALTER TABLE organization_members ADD CONSTRAINT fk_organization_members_user_id FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;

ALTER TABLE personal_tokens ADD CONSTRAINT fk_personal_tokens_user_id FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE;

ALTER TABLE tags ADD CONSTRAINT fk_tags_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE;

ALTER TABLE task_comments ADD CONSTRAINT fk_task_comments_author_agent_id FOREIGN KEY (author_agent_id) REFERENCES agents(id) ON DELETE SET NULL;

ALTER TABLE task_comments ADD CONSTRAINT fk_task_comments_author_user_id FOREIGN KEY (author_user_id) REFERENCES users(id) ON DELETE SET NULL;

ALTER TABLE task_comments ADD CONSTRAINT fk_task_comments_task_id FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE;

ALTER TABLE task_dependencies ADD CONSTRAINT fk_task_dependencies_depends_on_task_id FOREIGN KEY (depends_on_task_id) REFERENCES tasks(id) ON DELETE CASCADE;

ALTER TABLE task_dependencies ADD CONSTRAINT fk_task_dependencies_task_id FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE;

ALTER TABLE task_tags ADD CONSTRAINT fk_task_tags_tag_id FOREIGN KEY (tag_id) REFERENCES tags(id) ON DELETE CASCADE;

ALTER TABLE task_tags ADD CONSTRAINT fk_task_tags_task_id FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE;

ALTER TABLE tasks ADD CONSTRAINT fk_tasks_assigned_agent_id FOREIGN KEY (assigned_agent_id) REFERENCES agents(id) ON DELETE SET NULL;

ALTER TABLE tasks ADD CONSTRAINT fk_tasks_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE;

ALTER TABLE tasks ADD CONSTRAINT fk_tasks_created_by_user_id FOREIGN KEY (created_by_user_id) REFERENCES users(id) ON DELETE SET NULL;

ALTER TABLE users ADD CONSTRAINT fk_users_active_organization_id FOREIGN KEY (active_organization_id) REFERENCES organizations(id) ON DELETE SET NULL;
