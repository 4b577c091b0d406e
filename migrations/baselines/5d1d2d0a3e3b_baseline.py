# ruff: noqa: E501, PLR0915
"""Everything that the revisions up to 5d1d2d0a3e3b make, for an empty database.

Written from the schema that they made on PostgreSQL 18, and compared with it. It counts as applied wherever
they are, so do not edit it.

Revision: 5d1d2d0a3e3b
Created: 2026-11-30 19:29:09+00:00
"""

from alembic import op

revision = "5d1d2d0a3e3b"
down_revision = None
branch_labels = None
depends_on = None
phase = "contract"

# The release that has both this file and those that it replaces.
release = "0.2.0"
# Each revision, and the beginning of its file's SHA-256.
replaces = {
    "1d9c6f0b7a31": "e397f49fbe3ff7da",
    "5b2e8a4c9d17": "fe859576b11e3213",
    "8f3d1c7e2b64": "d2858f314f5a02ab",
    "a47e5d20c8f9": "83007fff5ce428f5",
    "c61b9e83f5d2": "3823a2d61e41d5c3",
    "e92f4a6d1b80": "bd392d8df44d55ec",
    "b3d07e5a2c46": "66cae70c6a2b6093",
    "d41f86c9e0b7": "8c3610618a431e07",
    "f5a92b7c3e18": "7b043a19c2f6fb17",
    "07c3d5e9a1f2": "f34a3f227a7b632e",
    "3a61e0d8b92c": "4a3cbd78cbeca977",
    "94be2f7d05a3": "a7c3da434d3e3a72",
    "6d8c1a3f7e40": "6f7b58516d9c21e3",
    "c5f7092b8d61": "3e7af4cc98c53b50",
    "2e8b64f0d7a5": "8b167c3b3512dfb3",
    "70defa23e0fb": "87f262b416d71d3d",
    "7518132bacf5": "83bf8fde7cb1de85",
    "4c5526f809b3": "3d55e48c8c3f8089",
    "4565cd242cb1": "1529467679c3775d",
    "b3232f2a2b8c": "5b9c5e6a6eff8f53",
    "b628aa210830": "161f55967a34f0f0",
    "3b67bd6cc05b": "011ea4ca53312b1a",
    "e2a6a3710444": "af2e1c0110d425f6",
    "527632989ab2": "0652cb02fabb2224",
    "45b6909dde8b": "0c90afb92538b7a1",
    "0551e1941ce6": "9c6601e0508b0435",
    "54b8a3bfe41f": "b08daec6bd7d3fe9",
    "8d1c6a90e3b7": "1082774f6dec3bcb",
    "5c2e7f90ad14": "67438a4aa2dd467d",
    "91b4d3c6e8f2": "bcac3e9bd56b0ef5",
    "2f7a94d1c05e": "76f2a78c59f3cb30",
    "e60d8b1f3a97": "e6c2e78ceea6d518",
    "ea8fd837115f": "1b5a4de525876a53",
    "50a7026f4c84": "80e95e43283d1c42",
    "8f8d73e1d036": "bbf75cbe648eb653",
    "f11f3eb459c8": "b6a3decb7f35da76",
    "85690977e471": "d50cf358dae01ac3",
    "2e7a658ef30d": "cc3330c6f7d95cbc",
    "7ad3ab3e1d35": "f88da9dde6751ca6",
    "f99ec3c79558": "53a978f74cc6115f",
    "4c1d1f99f50d": "e508220fd8f9f2d0",
    "9fddf1217709": "26da0aa029b65607",
    "d7bf73d9c869": "67a8183a33c8331e",
    "0dd6c059f534": "b9ccdba2af269eff",
    "9c86defda9aa": "651fdede1e47669d",
    "5d0b7c2e9f41": "2e83504d38ef363a",
    "81f6a3c0d2be": "30278056f1e4f689",
    "c7e92b4f6a10": "0eac06ca0f8fbca7",
    "574cebbd2106": "451db0f67e3da000",
    "648041a21ffd": "cb7e8746432f2386",
    "32f9dd08daca": "a8c7d4ca90bc54f5",
    "d239af55d32d": "3d5e98d58adf4fab",
    "ed0eaf6f9a89": "e006771cd360a35b",
    "769d96ae2602": "dbd9434dd4ebc35b",
    "4dba66c99526": "8683be5fbc053fda",
    "9cfc1775d62e": "6dceb926d83d6fc6",
    "51926cb051d9": "118f5c2116aad576",
    "2c09bc7bafd0": "d8a0194bc2f07308",
    "a87d4f100e2b": "812775f141f79cd7",
    "e891c40c00d5": "c2df6680979c3ff6",
    "96e19cd01c4d": "b9b151f72cdba9c0",
    "6ecaa6ecaaa8": "f615974af170f0e8",
    "49b96d722515": "29821fb83de006b5",
    "62d134fce1a1": "e59ddd1597959c18",
    "327701f4731a": "693265a1c9bccd2f",
    "779502b2e8a1": "3b41d7f9e206b45d",
    "97bdad6b2575": "94748c07f841db1b",
    "ed4398cb91b4": "5aeab558785a43d9",
    "860d80f70dc2": "f2fc5b6ba94305ce",
    "b46da205e211": "e6117564bbcd295c",
    "1f91cc2e3ed8": "05775d2ac920602a",
    "a44c7a92615e": "7a2eb7611ef09e71",
    "2f56bd53fefa": "21d8676cc45d2dfe",
    "458891b2e99f": "be4a69525682cb43",
    "5d1d2d0a3e3b": "afda390a8f85e690",
}
# The tables and names of what was made by SQL, and not by Alembic's operations: no model is asked for it.
made_by_sql = (
    ("", "activity_events"),
    ("", "board_webhook_payloads"),
    ("", "count_tasks"),
    ("", "forget_task_counts"),
    ("activity_events_default", "pk_activity_events_default"),
    ("board_webhook_payloads_default", "pk_board_webhook_payloads_default"),
    ("boards", "forget_task_counts"),
    ("tasks", "count_added"),
    ("tasks", "count_changed"),
    ("tasks", "count_removed"),
    ("tasks", "count_truncated"),
)

# fmt: off


def upgrade() -> None:
    # Functions come before the tables that they name.
    op.execute("SET LOCAL check_function_bodies = off")

    # FUNCTION count_tasks()
    op.execute("""CREATE FUNCTION count_tasks() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    AS $$
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
$$""")
    op.execute("DO $$ BEGIN EXECUTE format('ALTER ROUTINE count_tasks() SET search_path = %I, pg_temp', current_schema()); END $$")

    # FUNCTION forget_task_counts()
    op.execute("""CREATE FUNCTION forget_task_counts() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    AS $$
BEGIN
    DELETE FROM task_counts USING removed
    WHERE task_counts.organization_id = removed.organization_id AND task_counts.board_id = removed.id;
    RETURN NULL;
END
$$""")
    op.execute("DO $$ BEGIN EXECUTE format('ALTER ROUTINE forget_task_counts() SET search_path = %I, pg_temp', current_schema()); END $$")

    # TABLE activity_events
    op.execute("""CREATE TABLE activity_events (
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
    transaction_id bigint DEFAULT ((pg_current_xact_id())::text)::bigint NOT NULL
)
PARTITION BY RANGE (created_at)""")

    # TABLE activity_events_default
    op.execute("""CREATE TABLE activity_events_default (
    id uuid CONSTRAINT activity_events_id_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT activity_events_created_at_not_null NOT NULL,
    organization_id uuid CONSTRAINT activity_events_organization_id_not_null NOT NULL,
    event_type text CONSTRAINT activity_events_event_type_not_null NOT NULL,
    message text,
    user_id uuid,
    agent_id uuid,
    board_group_id uuid,
    board_id uuid,
    task_id uuid,
    subject_id uuid,
    transaction_id bigint DEFAULT ((pg_current_xact_id())::text)::bigint CONSTRAINT activity_events_transaction_id_not_null NOT NULL
)""")

    # TABLE agents
    op.execute("""CREATE TABLE agents (
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
    token_hash bytea NOT NULL
)""")

    # TABLE approval_tasks
    op.execute("""CREATE TABLE approval_tasks (
    approval_id uuid NOT NULL,
    task_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    "position" bigint NOT NULL,
    is_pending boolean DEFAULT false NOT NULL,
    organization_id uuid NOT NULL
)""")

    # TABLE approvals
    op.execute("""CREATE TABLE approvals (
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
    CONSTRAINT ck_approvals_confidence CHECK (((confidence >= (0)::double precision) AND (confidence <= (100)::double precision))),
    CONSTRAINT ck_approvals_resolved CHECK (((status = 'pending'::text) = (resolved_at IS NULL))),
    CONSTRAINT ck_approvals_status CHECK ((status = ANY (ARRAY['pending'::text, 'approved'::text, 'rejected'::text])))
)""")

    # TABLE board_access
    op.execute("""CREATE TABLE board_access (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_member_id uuid NOT NULL,
    board_id uuid NOT NULL,
    can_read boolean DEFAULT true NOT NULL,
    can_write boolean DEFAULT false NOT NULL,
    organization_id uuid NOT NULL
)""")

    # TABLE board_group_memory
    op.execute("""CREATE TABLE board_group_memory (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    board_group_id uuid NOT NULL,
    content text NOT NULL,
    tags text[],
    source text,
    is_chat boolean GENERATED ALWAYS AS (COALESCE(('chat'::text = ANY (tags)), false)) STORED NOT NULL,
    organization_id uuid NOT NULL
)""")

    # TABLE board_groups
    op.execute("""CREATE TABLE board_groups (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    name text NOT NULL,
    slug text NOT NULL,
    description text
)""")

    # TABLE board_memory
    op.execute("""CREATE TABLE board_memory (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    board_id uuid NOT NULL,
    content text NOT NULL,
    tags text[],
    source text,
    is_chat boolean GENERATED ALWAYS AS (COALESCE(('chat'::text = ANY (tags)), false)) STORED NOT NULL,
    organization_id uuid NOT NULL
)""")

    # TABLE board_webhook_payloads
    op.execute("""CREATE TABLE board_webhook_payloads (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    webhook_id uuid NOT NULL,
    body bytea NOT NULL,
    headers jsonb NOT NULL,
    source_ip text,
    content_type text,
    organization_id uuid NOT NULL
)
PARTITION BY RANGE (created_at)""")

    # TABLE board_webhook_payloads_default
    op.execute("""CREATE TABLE board_webhook_payloads_default (
    id uuid CONSTRAINT board_webhook_payloads_id_not_null NOT NULL,
    created_at timestamp with time zone DEFAULT now() CONSTRAINT board_webhook_payloads_created_at_not_null NOT NULL,
    webhook_id uuid CONSTRAINT board_webhook_payloads_webhook_id_not_null NOT NULL,
    body bytea CONSTRAINT board_webhook_payloads_body_not_null NOT NULL,
    headers jsonb CONSTRAINT board_webhook_payloads_headers_not_null NOT NULL,
    source_ip text,
    content_type text,
    organization_id uuid CONSTRAINT board_webhook_payloads_organization_id_not_null NOT NULL
)""")

    # TABLE board_webhooks
    op.execute("""CREATE TABLE board_webhooks (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    board_id uuid NOT NULL,
    agent_id uuid,
    description text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    secret text,
    signature_header text DEFAULT 'X-Signature-256'::text NOT NULL,
    organization_id uuid NOT NULL
)""")

    # TABLE boards
    op.execute("""CREATE TABLE boards (
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
    CONSTRAINT ck_boards_max_agents CHECK ((max_agents >= 0))
)""")

    # TABLE custom_field_boards
    op.execute("""CREATE TABLE custom_field_boards (
    board_id uuid NOT NULL,
    custom_field_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL
)""")

    # TABLE custom_field_values
    op.execute("""CREATE TABLE custom_field_values (
    task_id uuid NOT NULL,
    custom_field_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    value json NOT NULL,
    organization_id uuid NOT NULL
)""")

    # TABLE custom_fields
    op.execute("""CREATE TABLE custom_fields (
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
    CONSTRAINT ck_custom_fields_field_type CHECK ((field_type = ANY (ARRAY['text'::text, 'text_long'::text, 'integer'::text, 'decimal'::text, 'boolean'::text, 'date'::text, 'date_time'::text, 'url'::text, 'json'::text]))),
    CONSTRAINT ck_custom_fields_ui_visibility CHECK ((ui_visibility = ANY (ARRAY['always'::text, 'if_set'::text, 'hidden'::text])))
)""")

    # TABLE idempotent_responses
    op.execute("""CREATE TABLE idempotent_responses (
    caller_id uuid NOT NULL,
    key_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    request_hash bytea NOT NULL,
    response bytea NOT NULL
)""")

    # TABLE invite_board_access
    op.execute("""CREATE TABLE invite_board_access (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_invite_id uuid NOT NULL,
    board_id uuid NOT NULL,
    can_read boolean DEFAULT true NOT NULL,
    can_write boolean DEFAULT false NOT NULL,
    organization_id uuid NOT NULL
)""")

    # TABLE organization_invites
    op.execute("""CREATE TABLE organization_invites (
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
    CONSTRAINT ck_organization_invites_role CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text])))
)""")

    # TABLE organization_members
    op.execute("""CREATE TABLE organization_members (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text DEFAULT 'member'::text NOT NULL,
    all_boards_read boolean DEFAULT false NOT NULL,
    all_boards_write boolean DEFAULT false NOT NULL,
    CONSTRAINT ck_organization_members_role CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text])))
)""")

    # TABLE organizations
    op.execute("""CREATE TABLE organizations (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    name text NOT NULL
)""")

    # TABLE personal_tokens
    op.execute("""CREATE TABLE personal_tokens (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    scope text NOT NULL,
    token_hash bytea NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    CONSTRAINT ck_personal_tokens_scope CHECK ((scope = ANY (ARRAY['read'::text, 'write'::text])))
)""")

    # TABLE rate_limits
    op.execute("""CREATE TABLE rate_limits (
    key bytea NOT NULL,
    began_at timestamp with time zone NOT NULL,
    count bigint NOT NULL
)""")

    # TABLE tags
    op.execute("""CREATE TABLE tags (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    name text NOT NULL,
    slug text NOT NULL,
    color text DEFAULT '9e9e9e'::text NOT NULL,
    description text
)""")

    # TABLE task_comments
    op.execute("""CREATE TABLE task_comments (
    id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    task_id uuid NOT NULL,
    author_user_id uuid,
    message text NOT NULL,
    author_agent_id uuid,
    organization_id uuid NOT NULL
)""")

    # TABLE task_counts
    op.execute("""CREATE TABLE task_counts (
    organization_id uuid NOT NULL,
    board_id uuid NOT NULL,
    id uuid NOT NULL,
    status text NOT NULL,
    tasks bigint NOT NULL
)""")

    # TABLE task_dependencies
    op.execute("""CREATE TABLE task_dependencies (
    task_id uuid NOT NULL,
    depends_on_task_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL,
    CONSTRAINT ck_task_dependencies_not_itself CHECK ((task_id <> depends_on_task_id))
)""")

    # TABLE task_tags
    op.execute("""CREATE TABLE task_tags (
    task_id uuid NOT NULL,
    tag_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    organization_id uuid NOT NULL
)""")

    # TABLE tasks
    op.execute("""CREATE TABLE tasks (
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
    CONSTRAINT ck_tasks_priority CHECK ((priority = ANY (ARRAY['low'::text, 'medium'::text, 'high'::text]))),
    CONSTRAINT ck_tasks_status CHECK ((status = ANY (ARRAY['inbox'::text, 'in_progress'::text, 'review'::text, 'done'::text])))
)""")

    # TABLE users
    op.execute("""CREATE TABLE users (
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
    active_organization_id uuid
)""")

    # TABLE ATTACH activity_events_default
    op.execute("ALTER TABLE ONLY activity_events ATTACH PARTITION activity_events_default DEFAULT")

    # TABLE ATTACH board_webhook_payloads_default
    op.execute("ALTER TABLE ONLY board_webhook_payloads ATTACH PARTITION board_webhook_payloads_default DEFAULT")

    # CONSTRAINT activity_events pk_activity_events
    op.execute("""ALTER TABLE ONLY activity_events
    ADD CONSTRAINT pk_activity_events PRIMARY KEY (id, created_at)""")

    # CONSTRAINT activity_events_default pk_activity_events_default
    op.execute("""ALTER TABLE ONLY activity_events_default
    ADD CONSTRAINT pk_activity_events_default PRIMARY KEY (id, created_at)""")

    # CONSTRAINT agents pk_agents
    op.execute("""ALTER TABLE ONLY agents
    ADD CONSTRAINT pk_agents PRIMARY KEY (id)""")

    # CONSTRAINT approval_tasks pk_approval_tasks
    op.execute("""ALTER TABLE ONLY approval_tasks
    ADD CONSTRAINT pk_approval_tasks PRIMARY KEY (approval_id, task_id)""")

    # CONSTRAINT approvals pk_approvals
    op.execute("""ALTER TABLE ONLY approvals
    ADD CONSTRAINT pk_approvals PRIMARY KEY (id)""")

    # CONSTRAINT board_access pk_board_access
    op.execute("""ALTER TABLE ONLY board_access
    ADD CONSTRAINT pk_board_access PRIMARY KEY (id)""")

    # CONSTRAINT board_group_memory pk_board_group_memory
    op.execute("""ALTER TABLE ONLY board_group_memory
    ADD CONSTRAINT pk_board_group_memory PRIMARY KEY (id)""")

    # CONSTRAINT board_groups pk_board_groups
    op.execute("""ALTER TABLE ONLY board_groups
    ADD CONSTRAINT pk_board_groups PRIMARY KEY (id)""")

    # CONSTRAINT board_memory pk_board_memory
    op.execute("""ALTER TABLE ONLY board_memory
    ADD CONSTRAINT pk_board_memory PRIMARY KEY (id)""")

    # CONSTRAINT board_webhook_payloads pk_board_webhook_payloads
    op.execute("""ALTER TABLE ONLY board_webhook_payloads
    ADD CONSTRAINT pk_board_webhook_payloads PRIMARY KEY (id, created_at)""")

    # CONSTRAINT board_webhook_payloads_default pk_board_webhook_payloads_default
    op.execute("""ALTER TABLE ONLY board_webhook_payloads_default
    ADD CONSTRAINT pk_board_webhook_payloads_default PRIMARY KEY (id, created_at)""")

    # CONSTRAINT board_webhooks pk_board_webhooks
    op.execute("""ALTER TABLE ONLY board_webhooks
    ADD CONSTRAINT pk_board_webhooks PRIMARY KEY (id)""")

    # CONSTRAINT boards pk_boards
    op.execute("""ALTER TABLE ONLY boards
    ADD CONSTRAINT pk_boards PRIMARY KEY (id)""")

    # CONSTRAINT custom_field_boards pk_custom_field_boards
    op.execute("""ALTER TABLE ONLY custom_field_boards
    ADD CONSTRAINT pk_custom_field_boards PRIMARY KEY (board_id, custom_field_id)""")

    # CONSTRAINT custom_field_values pk_custom_field_values
    op.execute("""ALTER TABLE ONLY custom_field_values
    ADD CONSTRAINT pk_custom_field_values PRIMARY KEY (task_id, custom_field_id)""")

    # CONSTRAINT custom_fields pk_custom_fields
    op.execute("""ALTER TABLE ONLY custom_fields
    ADD CONSTRAINT pk_custom_fields PRIMARY KEY (id)""")

    # CONSTRAINT idempotent_responses pk_idempotent_responses
    op.execute("""ALTER TABLE ONLY idempotent_responses
    ADD CONSTRAINT pk_idempotent_responses PRIMARY KEY (caller_id, key_hash)""")

    # CONSTRAINT invite_board_access pk_invite_board_access
    op.execute("""ALTER TABLE ONLY invite_board_access
    ADD CONSTRAINT pk_invite_board_access PRIMARY KEY (id)""")

    # CONSTRAINT organization_invites pk_organization_invites
    op.execute("""ALTER TABLE ONLY organization_invites
    ADD CONSTRAINT pk_organization_invites PRIMARY KEY (id)""")

    # CONSTRAINT organization_members pk_organization_members
    op.execute("""ALTER TABLE ONLY organization_members
    ADD CONSTRAINT pk_organization_members PRIMARY KEY (id)""")

    # CONSTRAINT organizations pk_organizations
    op.execute("""ALTER TABLE ONLY organizations
    ADD CONSTRAINT pk_organizations PRIMARY KEY (id)""")

    # CONSTRAINT personal_tokens pk_personal_tokens
    op.execute("""ALTER TABLE ONLY personal_tokens
    ADD CONSTRAINT pk_personal_tokens PRIMARY KEY (id)""")

    # CONSTRAINT rate_limits pk_rate_limits
    op.execute("""ALTER TABLE ONLY rate_limits
    ADD CONSTRAINT pk_rate_limits PRIMARY KEY (key)""")

    # CONSTRAINT tags pk_tags
    op.execute("""ALTER TABLE ONLY tags
    ADD CONSTRAINT pk_tags PRIMARY KEY (id)""")

    # CONSTRAINT task_comments pk_task_comments
    op.execute("""ALTER TABLE ONLY task_comments
    ADD CONSTRAINT pk_task_comments PRIMARY KEY (id)""")

    # CONSTRAINT task_counts pk_task_counts
    op.execute("""ALTER TABLE ONLY task_counts
    ADD CONSTRAINT pk_task_counts PRIMARY KEY (organization_id, board_id, id)""")

    # CONSTRAINT task_dependencies pk_task_dependencies
    op.execute("""ALTER TABLE ONLY task_dependencies
    ADD CONSTRAINT pk_task_dependencies PRIMARY KEY (task_id, depends_on_task_id)""")

    # CONSTRAINT task_tags pk_task_tags
    op.execute("""ALTER TABLE ONLY task_tags
    ADD CONSTRAINT pk_task_tags PRIMARY KEY (task_id, tag_id)""")

    # CONSTRAINT tasks pk_tasks
    op.execute("""ALTER TABLE ONLY tasks
    ADD CONSTRAINT pk_tasks PRIMARY KEY (id)""")

    # CONSTRAINT users pk_users
    op.execute("""ALTER TABLE ONLY users
    ADD CONSTRAINT pk_users PRIMARY KEY (id)""")

    # CONSTRAINT agents uq_agents_token_hash
    op.execute("""ALTER TABLE ONLY agents
    ADD CONSTRAINT uq_agents_token_hash UNIQUE (token_hash)""")

    # CONSTRAINT board_access uq_board_access_organization_member_id_board_id
    op.execute("""ALTER TABLE ONLY board_access
    ADD CONSTRAINT uq_board_access_organization_member_id_board_id UNIQUE (organization_member_id, board_id)""")

    # CONSTRAINT board_groups uq_board_groups_organization_id_slug
    op.execute("""ALTER TABLE ONLY board_groups
    ADD CONSTRAINT uq_board_groups_organization_id_slug UNIQUE (organization_id, slug)""")

    # CONSTRAINT boards uq_boards_organization_id_slug
    op.execute("""ALTER TABLE ONLY boards
    ADD CONSTRAINT uq_boards_organization_id_slug UNIQUE (organization_id, slug)""")

    # CONSTRAINT custom_fields uq_custom_fields_organization_id_field_key
    op.execute("""ALTER TABLE ONLY custom_fields
    ADD CONSTRAINT uq_custom_fields_organization_id_field_key UNIQUE (organization_id, field_key)""")

    # CONSTRAINT invite_board_access uq_invite_board_access_organization_invite_id_board_id
    op.execute("""ALTER TABLE ONLY invite_board_access
    ADD CONSTRAINT uq_invite_board_access_organization_invite_id_board_id UNIQUE (organization_invite_id, board_id)""")

    # CONSTRAINT organization_members uq_organization_members_organization_id_user_id
    op.execute("""ALTER TABLE ONLY organization_members
    ADD CONSTRAINT uq_organization_members_organization_id_user_id UNIQUE (organization_id, user_id)""")

    # CONSTRAINT personal_tokens uq_personal_tokens_token_hash
    op.execute("""ALTER TABLE ONLY personal_tokens
    ADD CONSTRAINT uq_personal_tokens_token_hash UNIQUE (token_hash)""")

    # CONSTRAINT tags uq_tags_organization_id_slug
    op.execute("""ALTER TABLE ONLY tags
    ADD CONSTRAINT uq_tags_organization_id_slug UNIQUE (organization_id, slug)""")

    # CONSTRAINT users uq_users_subject
    op.execute("""ALTER TABLE ONLY users
    ADD CONSTRAINT uq_users_subject UNIQUE (subject)""")

    # INDEX ix_activity_events_board_id_created_at_id
    op.execute("CREATE INDEX ix_activity_events_board_id_created_at_id ON ONLY activity_events USING btree (board_id, created_at, id)")

    # INDEX ix_activity_events_comments
    op.execute("CREATE INDEX ix_activity_events_comments ON ONLY activity_events USING btree (organization_id, created_at, id) WHERE (event_type = 'task.commented'::text)")

    # INDEX ix_activity_events_default_board_id_created_at_id
    op.execute("CREATE INDEX ix_activity_events_default_board_id_created_at_id ON activity_events_default USING btree (board_id, created_at, id)")

    # INDEX ix_activity_events_default_comments
    op.execute("CREATE INDEX ix_activity_events_default_comments ON activity_events_default USING btree (organization_id, created_at, id) WHERE (event_type = 'task.commented'::text)")

    # INDEX ix_activity_events_organization_id_created_at_id
    op.execute("CREATE INDEX ix_activity_events_organization_id_created_at_id ON ONLY activity_events USING btree (organization_id, created_at, id)")

    # INDEX ix_activity_events_default_organization_id_created_at_id
    op.execute("CREATE INDEX ix_activity_events_default_organization_id_created_at_id ON activity_events_default USING btree (organization_id, created_at, id)")

    # INDEX ix_activity_events_organization_id_transaction_id
    op.execute("CREATE INDEX ix_activity_events_organization_id_transaction_id ON ONLY activity_events USING btree (organization_id, transaction_id)")

    # INDEX ix_activity_events_default_organization_id_transaction_id
    op.execute("CREATE INDEX ix_activity_events_default_organization_id_transaction_id ON activity_events_default USING btree (organization_id, transaction_id)")

    # INDEX ix_agents_board_id_created_at_id
    op.execute("CREATE INDEX ix_agents_board_id_created_at_id ON agents USING btree (board_id, created_at, id)")

    # INDEX ix_agents_organization_id_created_at_id
    op.execute("CREATE INDEX ix_agents_organization_id_created_at_id ON agents USING btree (organization_id, created_at, id)")

    # INDEX ix_approval_tasks_task_id
    op.execute("CREATE INDEX ix_approval_tasks_task_id ON approval_tasks USING btree (task_id)")

    # INDEX ix_approvals_agent_id
    op.execute("CREATE INDEX ix_approvals_agent_id ON approvals USING btree (agent_id)")

    # INDEX ix_approvals_board_id_created_at_id
    op.execute("CREATE INDEX ix_approvals_board_id_created_at_id ON approvals USING btree (board_id, created_at, id)")

    # INDEX ix_approvals_organization_id_created_at
    op.execute("CREATE INDEX ix_approvals_organization_id_created_at ON approvals USING btree (organization_id, created_at) WHERE (status = 'pending'::text)")

    # INDEX ix_board_access_board_id
    op.execute("CREATE INDEX ix_board_access_board_id ON board_access USING btree (board_id)")

    # INDEX ix_board_group_memory_board_group_id_created_at_id
    op.execute("CREATE INDEX ix_board_group_memory_board_group_id_created_at_id ON board_group_memory USING btree (board_group_id, created_at, id)")

    # INDEX ix_board_group_memory_board_group_id_is_chat_created_at_id
    op.execute("CREATE INDEX ix_board_group_memory_board_group_id_is_chat_created_at_id ON board_group_memory USING btree (board_group_id, is_chat, created_at, id)")

    # INDEX ix_board_groups_organization_id_created_at_id
    op.execute("CREATE INDEX ix_board_groups_organization_id_created_at_id ON board_groups USING btree (organization_id, created_at, id)")

    # INDEX ix_board_memory_board_id_created_at_id
    op.execute("CREATE INDEX ix_board_memory_board_id_created_at_id ON board_memory USING btree (board_id, created_at, id)")

    # INDEX ix_board_memory_board_id_is_chat_created_at_id
    op.execute("CREATE INDEX ix_board_memory_board_id_is_chat_created_at_id ON board_memory USING btree (board_id, is_chat, created_at, id)")

    # INDEX ix_board_webhook_payloads_webhook_id_created_at_id
    op.execute("CREATE INDEX ix_board_webhook_payloads_webhook_id_created_at_id ON ONLY board_webhook_payloads USING btree (webhook_id, created_at, id)")

    # INDEX ix_board_webhook_payloads_default_webhook_id_created_at_id
    op.execute("CREATE INDEX ix_board_webhook_payloads_default_webhook_id_created_at_id ON board_webhook_payloads_default USING btree (webhook_id, created_at, id)")

    # INDEX ix_board_webhooks_agent_id
    op.execute("CREATE INDEX ix_board_webhooks_agent_id ON board_webhooks USING btree (agent_id) WHERE (agent_id IS NOT NULL)")

    # INDEX ix_board_webhooks_board_id_created_at_id
    op.execute("CREATE INDEX ix_board_webhooks_board_id_created_at_id ON board_webhooks USING btree (board_id, created_at, id)")

    # INDEX ix_boards_board_group_id
    op.execute("CREATE INDEX ix_boards_board_group_id ON boards USING btree (board_group_id) WHERE (board_group_id IS NOT NULL)")

    # INDEX ix_boards_search
    op.execute("CREATE INDEX ix_boards_search ON boards USING gin (to_tsvector('english'::regconfig, ((name || ' '::text) || COALESCE(description, ''::text))))")

    # INDEX ix_custom_field_boards_custom_field_id
    op.execute("CREATE INDEX ix_custom_field_boards_custom_field_id ON custom_field_boards USING btree (custom_field_id)")

    # INDEX ix_custom_field_values_custom_field_id
    op.execute("CREATE INDEX ix_custom_field_values_custom_field_id ON custom_field_values USING btree (custom_field_id)")

    # INDEX ix_idempotent_responses_created_at
    op.execute("CREATE INDEX ix_idempotent_responses_created_at ON idempotent_responses USING btree (created_at)")

    # INDEX ix_invite_board_access_board_id
    op.execute("CREATE INDEX ix_invite_board_access_board_id ON invite_board_access USING btree (board_id)")

    # INDEX ix_organization_invites_accepted_by_user_id
    op.execute("CREATE INDEX ix_organization_invites_accepted_by_user_id ON organization_invites USING btree (accepted_by_user_id)")

    # INDEX ix_organization_invites_created_by_user_id
    op.execute("CREATE INDEX ix_organization_invites_created_by_user_id ON organization_invites USING btree (created_by_user_id)")

    # INDEX ix_organization_invites_organization_id_created_at_id
    op.execute("CREATE INDEX ix_organization_invites_organization_id_created_at_id ON organization_invites USING btree (organization_id, created_at, id)")

    # INDEX ix_organization_members_user_id
    op.execute("CREATE INDEX ix_organization_members_user_id ON organization_members USING btree (user_id)")

    # INDEX ix_personal_tokens_user_id_created_at_id
    op.execute("CREATE INDEX ix_personal_tokens_user_id_created_at_id ON personal_tokens USING btree (user_id, created_at, id)")

    # INDEX ix_rate_limits_began_at
    op.execute("CREATE INDEX ix_rate_limits_began_at ON rate_limits USING btree (began_at)")

    # INDEX ix_task_comments_author_agent_id
    op.execute("CREATE INDEX ix_task_comments_author_agent_id ON task_comments USING btree (author_agent_id) WHERE (author_agent_id IS NOT NULL)")

    # INDEX ix_task_comments_author_user_id
    op.execute("CREATE INDEX ix_task_comments_author_user_id ON task_comments USING btree (author_user_id)")

    # INDEX ix_task_comments_task_id_created_at_id
    op.execute("CREATE INDEX ix_task_comments_task_id_created_at_id ON task_comments USING btree (task_id, created_at, id)")

    # INDEX ix_task_dependencies_depends_on_task_id
    op.execute("CREATE INDEX ix_task_dependencies_depends_on_task_id ON task_dependencies USING btree (depends_on_task_id)")

    # INDEX ix_task_tags_tag_id
    op.execute("CREATE INDEX ix_task_tags_tag_id ON task_tags USING btree (tag_id)")

    # INDEX ix_tasks_assigned_agent_id
    op.execute("CREATE INDEX ix_tasks_assigned_agent_id ON tasks USING btree (assigned_agent_id) WHERE (assigned_agent_id IS NOT NULL)")

    # INDEX ix_tasks_board_id_created_at_id
    op.execute("CREATE INDEX ix_tasks_board_id_created_at_id ON tasks USING btree (board_id, created_at, id)")

    # INDEX ix_tasks_board_id_status_created_at_id
    op.execute("CREATE INDEX ix_tasks_board_id_status_created_at_id ON tasks USING btree (board_id, status, created_at, id)")

    # INDEX ix_tasks_created_by_user_id
    op.execute("CREATE INDEX ix_tasks_created_by_user_id ON tasks USING btree (created_by_user_id)")

    # INDEX ix_tasks_search
    op.execute("CREATE INDEX ix_tasks_search ON tasks USING gin (to_tsvector('english'::regconfig, ((title || ' '::text) || COALESCE(description, ''::text))))")

    # INDEX ix_users_active_organization_id
    op.execute("CREATE INDEX ix_users_active_organization_id ON users USING btree (active_organization_id)")

    # INDEX uq_agents_board_id_lead
    op.execute("CREATE UNIQUE INDEX uq_agents_board_id_lead ON agents USING btree (board_id) WHERE is_board_lead")

    # INDEX uq_approval_tasks_task_id_pending
    op.execute("CREATE UNIQUE INDEX uq_approval_tasks_task_id_pending ON approval_tasks USING btree (task_id) WHERE is_pending")

    # INDEX ATTACH ix_activity_events_default_board_id_created_at_id
    op.execute("ALTER INDEX ix_activity_events_board_id_created_at_id ATTACH PARTITION ix_activity_events_default_board_id_created_at_id")

    # INDEX ATTACH ix_activity_events_default_comments
    op.execute("ALTER INDEX ix_activity_events_comments ATTACH PARTITION ix_activity_events_default_comments")

    # INDEX ATTACH ix_activity_events_default_organization_id_created_at_id
    op.execute("ALTER INDEX ix_activity_events_organization_id_created_at_id ATTACH PARTITION ix_activity_events_default_organization_id_created_at_id")

    # INDEX ATTACH ix_activity_events_default_organization_id_transaction_id
    op.execute("ALTER INDEX ix_activity_events_organization_id_transaction_id ATTACH PARTITION ix_activity_events_default_organization_id_transaction_id")

    # INDEX ATTACH ix_board_webhook_payloads_default_webhook_id_created_at_id
    op.execute("ALTER INDEX ix_board_webhook_payloads_webhook_id_created_at_id ATTACH PARTITION ix_board_webhook_payloads_default_webhook_id_created_at_id")

    # INDEX ATTACH pk_activity_events_default
    op.execute("ALTER INDEX pk_activity_events ATTACH PARTITION pk_activity_events_default")

    # INDEX ATTACH pk_board_webhook_payloads_default
    op.execute("ALTER INDEX pk_board_webhook_payloads ATTACH PARTITION pk_board_webhook_payloads_default")

    # TRIGGER tasks count_added
    op.execute("CREATE TRIGGER count_added AFTER INSERT ON tasks REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_tasks()")

    # TRIGGER tasks count_changed
    op.execute("CREATE TRIGGER count_changed AFTER UPDATE ON tasks REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION count_tasks()")

    # TRIGGER tasks count_removed
    op.execute("CREATE TRIGGER count_removed AFTER DELETE ON tasks REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION count_tasks()")

    # TRIGGER tasks count_truncated
    op.execute("CREATE TRIGGER count_truncated AFTER TRUNCATE ON tasks FOR EACH STATEMENT EXECUTE FUNCTION count_tasks()")

    # TRIGGER boards forget_task_counts
    op.execute("CREATE TRIGGER forget_task_counts AFTER DELETE ON boards REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION forget_task_counts()")

    # FK CONSTRAINT activity_events fk_activity_events_organization_id
    op.execute("""ALTER TABLE activity_events
    ADD CONSTRAINT fk_activity_events_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE""")

    # FK CONSTRAINT agents fk_agents_board_id
    op.execute("""ALTER TABLE ONLY agents
    ADD CONSTRAINT fk_agents_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE""")

    # FK CONSTRAINT agents fk_agents_organization_id
    op.execute("""ALTER TABLE ONLY agents
    ADD CONSTRAINT fk_agents_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE""")

    # FK CONSTRAINT approval_tasks fk_approval_tasks_approval_id
    op.execute("""ALTER TABLE ONLY approval_tasks
    ADD CONSTRAINT fk_approval_tasks_approval_id FOREIGN KEY (approval_id) REFERENCES approvals(id) ON DELETE CASCADE""")

    # FK CONSTRAINT approval_tasks fk_approval_tasks_task_id
    op.execute("""ALTER TABLE ONLY approval_tasks
    ADD CONSTRAINT fk_approval_tasks_task_id FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE""")

    # FK CONSTRAINT approvals fk_approvals_agent_id
    op.execute("""ALTER TABLE ONLY approvals
    ADD CONSTRAINT fk_approvals_agent_id FOREIGN KEY (agent_id) REFERENCES agents(id) ON DELETE SET NULL""")

    # FK CONSTRAINT approvals fk_approvals_board_id
    op.execute("""ALTER TABLE ONLY approvals
    ADD CONSTRAINT fk_approvals_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE""")

    # FK CONSTRAINT approvals fk_approvals_organization_id
    op.execute("""ALTER TABLE ONLY approvals
    ADD CONSTRAINT fk_approvals_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE""")

    # FK CONSTRAINT board_access fk_board_access_board_id
    op.execute("""ALTER TABLE ONLY board_access
    ADD CONSTRAINT fk_board_access_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE""")

    # FK CONSTRAINT board_access fk_board_access_organization_member_id
    op.execute("""ALTER TABLE ONLY board_access
    ADD CONSTRAINT fk_board_access_organization_member_id FOREIGN KEY (organization_member_id) REFERENCES organization_members(id) ON DELETE CASCADE""")

    # FK CONSTRAINT board_group_memory fk_board_group_memory_board_group_id
    op.execute("""ALTER TABLE ONLY board_group_memory
    ADD CONSTRAINT fk_board_group_memory_board_group_id FOREIGN KEY (board_group_id) REFERENCES board_groups(id) ON DELETE CASCADE""")

    # FK CONSTRAINT board_groups fk_board_groups_organization_id
    op.execute("""ALTER TABLE ONLY board_groups
    ADD CONSTRAINT fk_board_groups_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE""")

    # FK CONSTRAINT board_memory fk_board_memory_board_id
    op.execute("""ALTER TABLE ONLY board_memory
    ADD CONSTRAINT fk_board_memory_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE""")

    # FK CONSTRAINT board_webhook_payloads fk_board_webhook_payloads_webhook_id
    op.execute("""ALTER TABLE board_webhook_payloads
    ADD CONSTRAINT fk_board_webhook_payloads_webhook_id FOREIGN KEY (webhook_id) REFERENCES board_webhooks(id) ON DELETE CASCADE""")

    # FK CONSTRAINT board_webhooks fk_board_webhooks_agent_id
    op.execute("""ALTER TABLE ONLY board_webhooks
    ADD CONSTRAINT fk_board_webhooks_agent_id FOREIGN KEY (agent_id) REFERENCES agents(id) ON DELETE SET NULL""")

    # FK CONSTRAINT board_webhooks fk_board_webhooks_board_id
    op.execute("""ALTER TABLE ONLY board_webhooks
    ADD CONSTRAINT fk_board_webhooks_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE""")

    # FK CONSTRAINT boards fk_boards_board_group_id
    op.execute("""ALTER TABLE ONLY boards
    ADD CONSTRAINT fk_boards_board_group_id FOREIGN KEY (board_group_id) REFERENCES board_groups(id) ON DELETE SET NULL""")

    # FK CONSTRAINT boards fk_boards_organization_id
    op.execute("""ALTER TABLE ONLY boards
    ADD CONSTRAINT fk_boards_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE""")

    # FK CONSTRAINT custom_field_boards fk_custom_field_boards_board_id
    op.execute("""ALTER TABLE ONLY custom_field_boards
    ADD CONSTRAINT fk_custom_field_boards_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE""")

    # FK CONSTRAINT custom_field_boards fk_custom_field_boards_custom_field_id
    op.execute("""ALTER TABLE ONLY custom_field_boards
    ADD CONSTRAINT fk_custom_field_boards_custom_field_id FOREIGN KEY (custom_field_id) REFERENCES custom_fields(id) ON DELETE CASCADE""")

    # FK CONSTRAINT custom_field_values fk_custom_field_values_custom_field_id
    op.execute("""ALTER TABLE ONLY custom_field_values
    ADD CONSTRAINT fk_custom_field_values_custom_field_id FOREIGN KEY (custom_field_id) REFERENCES custom_fields(id) ON DELETE CASCADE""")

    # FK CONSTRAINT custom_field_values fk_custom_field_values_task_id
    op.execute("""ALTER TABLE ONLY custom_field_values
    ADD CONSTRAINT fk_custom_field_values_task_id FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE""")

    # FK CONSTRAINT custom_fields fk_custom_fields_organization_id
    op.execute("""ALTER TABLE ONLY custom_fields
    ADD CONSTRAINT fk_custom_fields_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE""")

    # FK CONSTRAINT invite_board_access fk_invite_board_access_board_id
    op.execute("""ALTER TABLE ONLY invite_board_access
    ADD CONSTRAINT fk_invite_board_access_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE""")

    # FK CONSTRAINT invite_board_access fk_invite_board_access_organization_invite_id
    op.execute("""ALTER TABLE ONLY invite_board_access
    ADD CONSTRAINT fk_invite_board_access_organization_invite_id FOREIGN KEY (organization_invite_id) REFERENCES organization_invites(id) ON DELETE CASCADE""")

    # FK CONSTRAINT organization_invites fk_organization_invites_accepted_by_user_id
    op.execute("""ALTER TABLE ONLY organization_invites
    ADD CONSTRAINT fk_organization_invites_accepted_by_user_id FOREIGN KEY (accepted_by_user_id) REFERENCES users(id) ON DELETE SET NULL""")

    # FK CONSTRAINT organization_invites fk_organization_invites_created_by_user_id
    op.execute("""ALTER TABLE ONLY organization_invites
    ADD CONSTRAINT fk_organization_invites_created_by_user_id FOREIGN KEY (created_by_user_id) REFERENCES users(id) ON DELETE SET NULL""")

    # FK CONSTRAINT organization_invites fk_organization_invites_organization_id
    op.execute("""ALTER TABLE ONLY organization_invites
    ADD CONSTRAINT fk_organization_invites_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE""")

    # FK CONSTRAINT organization_members fk_organization_members_organization_id
    op.execute("""ALTER TABLE ONLY organization_members
    ADD CONSTRAINT fk_organization_members_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE""")

    # FK CONSTRAINT organization_members fk_organization_members_user_id
    op.execute("""ALTER TABLE ONLY organization_members
    ADD CONSTRAINT fk_organization_members_user_id FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE""")

    # FK CONSTRAINT personal_tokens fk_personal_tokens_user_id
    op.execute("""ALTER TABLE ONLY personal_tokens
    ADD CONSTRAINT fk_personal_tokens_user_id FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE""")

    # FK CONSTRAINT tags fk_tags_organization_id
    op.execute("""ALTER TABLE ONLY tags
    ADD CONSTRAINT fk_tags_organization_id FOREIGN KEY (organization_id) REFERENCES organizations(id) ON DELETE CASCADE""")

    # FK CONSTRAINT task_comments fk_task_comments_author_agent_id
    op.execute("""ALTER TABLE ONLY task_comments
    ADD CONSTRAINT fk_task_comments_author_agent_id FOREIGN KEY (author_agent_id) REFERENCES agents(id) ON DELETE SET NULL""")

    # FK CONSTRAINT task_comments fk_task_comments_author_user_id
    op.execute("""ALTER TABLE ONLY task_comments
    ADD CONSTRAINT fk_task_comments_author_user_id FOREIGN KEY (author_user_id) REFERENCES users(id) ON DELETE SET NULL""")

    # FK CONSTRAINT task_comments fk_task_comments_task_id
    op.execute("""ALTER TABLE ONLY task_comments
    ADD CONSTRAINT fk_task_comments_task_id FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE""")

    # FK CONSTRAINT task_dependencies fk_task_dependencies_depends_on_task_id
    op.execute("""ALTER TABLE ONLY task_dependencies
    ADD CONSTRAINT fk_task_dependencies_depends_on_task_id FOREIGN KEY (depends_on_task_id) REFERENCES tasks(id) ON DELETE CASCADE""")

    # FK CONSTRAINT task_dependencies fk_task_dependencies_task_id
    op.execute("""ALTER TABLE ONLY task_dependencies
    ADD CONSTRAINT fk_task_dependencies_task_id FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE""")

    # FK CONSTRAINT task_tags fk_task_tags_tag_id
    op.execute("""ALTER TABLE ONLY task_tags
    ADD CONSTRAINT fk_task_tags_tag_id FOREIGN KEY (tag_id) REFERENCES tags(id) ON DELETE CASCADE""")

    # FK CONSTRAINT task_tags fk_task_tags_task_id
    op.execute("""ALTER TABLE ONLY task_tags
    ADD CONSTRAINT fk_task_tags_task_id FOREIGN KEY (task_id) REFERENCES tasks(id) ON DELETE CASCADE""")

    # FK CONSTRAINT tasks fk_tasks_assigned_agent_id
    op.execute("""ALTER TABLE ONLY tasks
    ADD CONSTRAINT fk_tasks_assigned_agent_id FOREIGN KEY (assigned_agent_id) REFERENCES agents(id) ON DELETE SET NULL""")

    # FK CONSTRAINT tasks fk_tasks_board_id
    op.execute("""ALTER TABLE ONLY tasks
    ADD CONSTRAINT fk_tasks_board_id FOREIGN KEY (board_id) REFERENCES boards(id) ON DELETE CASCADE""")

    # FK CONSTRAINT tasks fk_tasks_created_by_user_id
    op.execute("""ALTER TABLE ONLY tasks
    ADD CONSTRAINT fk_tasks_created_by_user_id FOREIGN KEY (created_by_user_id) REFERENCES users(id) ON DELETE SET NULL""")

    # FK CONSTRAINT users fk_users_active_organization_id
    op.execute("""ALTER TABLE ONLY users
    ADD CONSTRAINT fk_users_active_organization_id FOREIGN KEY (active_organization_id) REFERENCES organizations(id) ON DELETE SET NULL""")


def downgrade() -> None:
    op.execute("DROP TABLE IF EXISTS activity_events CASCADE")
    op.execute("DROP TABLE IF EXISTS agents CASCADE")
    op.execute("DROP TABLE IF EXISTS approval_tasks CASCADE")
    op.execute("DROP TABLE IF EXISTS approvals CASCADE")
    op.execute("DROP TABLE IF EXISTS board_access CASCADE")
    op.execute("DROP TABLE IF EXISTS board_group_memory CASCADE")
    op.execute("DROP TABLE IF EXISTS board_groups CASCADE")
    op.execute("DROP TABLE IF EXISTS board_memory CASCADE")
    op.execute("DROP TABLE IF EXISTS board_webhook_payloads CASCADE")
    op.execute("DROP TABLE IF EXISTS board_webhooks CASCADE")
    op.execute("DROP TABLE IF EXISTS boards CASCADE")
    op.execute("DROP TABLE IF EXISTS custom_field_boards CASCADE")
    op.execute("DROP TABLE IF EXISTS custom_field_values CASCADE")
    op.execute("DROP TABLE IF EXISTS custom_fields CASCADE")
    op.execute("DROP TABLE IF EXISTS idempotent_responses CASCADE")
    op.execute("DROP TABLE IF EXISTS invite_board_access CASCADE")
    op.execute("DROP TABLE IF EXISTS organization_invites CASCADE")
    op.execute("DROP TABLE IF EXISTS organization_members CASCADE")
    op.execute("DROP TABLE IF EXISTS organizations CASCADE")
    op.execute("DROP TABLE IF EXISTS personal_tokens CASCADE")
    op.execute("DROP TABLE IF EXISTS rate_limits CASCADE")
    op.execute("DROP TABLE IF EXISTS tags CASCADE")
    op.execute("DROP TABLE IF EXISTS task_comments CASCADE")
    op.execute("DROP TABLE IF EXISTS task_counts CASCADE")
    op.execute("DROP TABLE IF EXISTS task_dependencies CASCADE")
    op.execute("DROP TABLE IF EXISTS task_tags CASCADE")
    op.execute("DROP TABLE IF EXISTS tasks CASCADE")
    op.execute("DROP TABLE IF EXISTS users CASCADE")
    op.execute("DROP ROUTINE IF EXISTS count_tasks() CASCADE")
    op.execute("DROP ROUTINE IF EXISTS forget_task_counts() CASCADE")
