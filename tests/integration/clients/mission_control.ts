// What each page of the documented backend's front end does, by a client that is generated from that backend's document.
import assert from "node:assert/strict";
import * as activity from "./client/activity/activity";
import * as agent from "./client/agent/agent";
import * as agents from "./client/agents/agents";
import * as approvals from "./client/approvals/approvals";
import * as auth from "./client/auth/auth";
import * as groupMemory from "./client/board-group-memory/board-group-memory";
import * as groups from "./client/board-groups/board-groups";
import * as memory from "./client/board-memory/board-memory";
import * as webhooks from "./client/board-webhooks/board-webhooks";
import * as boards from "./client/boards/boards";
import * as fields from "./client/custom-fields/custom-fields";
import * as gateways from "./client/gateways/gateways";
import * as health from "./client/health/health";
import * as metrics from "./client/metrics/metrics";
import type { BlockedTaskError, HTTPValidationError } from "./client/model";
import * as organizations from "./client/organizations/organizations";
import * as tags from "./client/tags/tags";
import * as tasks from "./client/tasks/tasks";
import * as users from "./client/users/users";
import { firstEvent, keep, streamed } from "./mission_control_transport";

type Answer = { data: unknown; status: number };
const ok = async <T extends Answer>(asked: Promise<T>): Promise<Extract<T, { status: 200 }>["data"]> => {
  const answer = await asked;
  assert.equal(answer.status, 200, JSON.stringify(answer.data));
  return answer.data as Extract<T, { status: 200 }>["data"];
};
const deleted = async (asked: Promise<Answer>) => assert.deepEqual(await ok(asked), { ok: true });
const since = new Date(Date.now() - 60_000).toISOString();

// Sign-in, settings and the organization.
const me = await ok(auth.bootstrapUserApiV1AuthBootstrapPost());
assert.equal((await ok(users.getMeApiV1UsersMeGet())).clerk_user_id, me.clerk_user_id);
assert.equal((await ok(users.updateMeApiV1UsersMePatch({ name: "Ada", timezone: "Europe/Berlin" }))).name, "Ada");
for (const check of [health.healthHealthGet, health.healthzHealthzGet, health.readyzReadyzGet]) {
  assert.equal((await ok(check())).ok, true);
}
const [personal] = await ok(organizations.listMyOrganizationsApiV1OrganizationsMeListGet());
const harbour = await ok(organizations.createOrganizationApiV1OrganizationsPost({ name: "Harbour Works" }));
await ok(organizations.setActiveOrgApiV1OrganizationsMeActivePatch({ organization_id: personal.id }));
await ok(organizations.setActiveOrgApiV1OrganizationsMeActivePatch({ organization_id: harbour.id }));
assert.equal((await ok(organizations.getMyOrgApiV1OrganizationsMeGet())).name, "Harbour Works");
const mine = await ok(organizations.getMyMembershipApiV1OrganizationsMeMemberGet());
assert.deepEqual([mine.role, mine.all_boards_read, mine.all_boards_write], ["owner", true, true]);

// Boards and their groups, by forms that ask for a gateway.
const listed = await ok(gateways.listGatewaysApiV1GatewaysGet({ limit: 200 }));
const gateway = await ok(gateways.getGatewayApiV1GatewaysGatewayIdGet(listed.items[0].id));
assert.ok((await ok(gateways.gatewaysStatusApiV1GatewaysStatusGet({ gateway_url: gateway.url }))).connected);
const fleet = await ok(groups.createBoardGroupApiV1BoardGroupsPost({ name: "Fleet", slug: "fleet", description: null }));
const board = await ok(
  boards.createBoardApiV1BoardsPost({
    ...{ name: "Refit", slug: "refit", description: "Seaworthy", gateway_id: gateway.id, board_group_id: fleet.id },
    ...{ require_approval_for_done: false, max_agents: 3 },
  }),
);
const spare = await ok(
  boards.createBoardApiV1BoardsPost({ name: "Spare", slug: "spare", description: "Parts", gateway_id: null }),
);
const edited = await ok(
  boards.updateBoardApiV1BoardsBoardIdPatch(board.id, {
    ...{ name: "Refit", slug: "refit", description: "By December", gateway_id: gateway.id, board_group_id: fleet.id },
    ...{ board_type: "goal", objective: null, success_metrics: { defects: 0 }, target_date: "2099-12-01T00:00:00Z" },
    ...{ require_review_before_done: false, comment_required_for_review: false, max_agents: 3 },
    ...{ block_status_changes_with_pending_approval: false, only_lead_can_change_status: false },
  }),
);
assert.deepEqual([edited.description, edited.gateway_id], ["By December", null]);
const found = await ok(boards.listBoardsApiV1BoardsGet({ gateway_id: gateway.id, limit: 200 }));
assert.equal(found.total, 2);
await ok(boards.getBoardApiV1BoardsBoardIdGet(board.id));
await ok(boards.updateBoardApiV1BoardsBoardIdPatch(spare.id, { board_group_id: fleet.id }));
await ok(groups.updateBoardGroupApiV1BoardGroupsGroupIdPatch(fleet.id, { description: "All ships" }));
assert.equal((await ok(groups.getBoardGroupApiV1BoardGroupsGroupIdGet(fleet.id))).description, "All ships");
assert.equal((await ok(groups.listBoardGroupsApiV1BoardGroupsGet())).total, 1);

// Agents.
const bosun = await ok(
  agents.createAgentApiV1AgentsPost({
    ...{ name: "Bosun", board_id: board.id, heartbeat_config: { every: "10m" }, identity_profile: { role: "Deck" } },
    ...{ identity_template: null, soul_template: "Calm" },
  }),
);
const robot = { headers: { "X-Agent-Token": (bosun as { token?: string }).token ?? "" } };
const change = { name: "Bosun", is_gateway_main: false, board_id: board.id, identity_template: null };
const renamed = await ok(agents.updateAgentApiV1AgentsAgentIdPatch(bosun.id, change, { force: true }));
assert.deepEqual([renamed.gateway_id, renamed.is_gateway_main, renamed.soul_template], [gateway.id, false, null]);
assert.equal((await ok(agents.getAgentApiV1AgentsAgentIdGet(bosun.id))).name, "Bosun");
await ok(agents.heartbeatAgentApiV1AgentsAgentIdHeartbeatPost(bosun.id, { status: "online" }));
const mate = await ok(agents.heartbeatOrCreateAgentApiV1AgentsHeartbeatPost({ name: "Mate", board_id: board.id }));
assert.equal((await ok(agents.listAgentsApiV1AgentsGet({ gateway_id: gateway.id, board_id: board.id }))).total, 2);
const pace = { every: "5m", include_board_leads: true };
const paced = await ok(groups.applyBoardGroupHeartbeatApiV1BoardGroupsGroupIdHeartbeatPost(fleet.id, pace));
assert.equal(paced.updated_agent_ids.length, 2);

// Tags, custom fields, tasks and their comments.
const tag = await ok(tags.createTagApiV1TagsPost({ name: "Urgent", color: "ff0000" }));
assert.equal((await ok(tags.updateTagApiV1TagsTagIdPatch(tag.id, { description: "First" }))).description, "First");
await ok(tags.getTagApiV1TagsTagIdGet(tag.id));
assert.equal((await ok(tags.listTagsApiV1TagsGet())).total, 1);
const field = await ok(
  fields.createOrgCustomFieldApiV1OrganizationsMeCustomFieldsPost({
    ...{ field_key: "berth", label: "Berth", field_type: "text", ui_visibility: "always", validation_regex: null },
    ...{ description: null, required: false, default_value: null, board_ids: [board.id] },
  }),
);
const updateField = fields.updateOrgCustomFieldApiV1OrganizationsMeCustomFieldsTaskCustomFieldDefinitionIdPatch;
assert.equal((await ok(updateField(field.id, { label: "Dock" }))).label, "Dock");
assert.equal((await ok(fields.listOrgCustomFieldsApiV1OrganizationsMeCustomFieldsGet())).length, 1);

const first = await ok(
  tasks.createTaskApiV1BoardsBoardIdTasksPost(board.id, {
    ...{ title: "Splice", description: null, status: "inbox", priority: "high", due_at: null, tag_ids: [tag.id] },
    ...{ assigned_agent_id: bosun.id, custom_field_values: { berth: "B4" } },
  }),
);
assert.deepEqual([first.tags?.[0].name, first.custom_field_values], ["Urgent", { berth: "B4" }]);
const second = await ok(
  tasks.createTaskApiV1BoardsBoardIdTasksPost(board.id, { title: "Sail", depends_on_task_ids: [first.id] }),
);
assert.deepEqual([second.is_blocked, second.blocked_by_task_ids], [true, [first.id]]);
const update = tasks.updateTaskApiV1BoardsBoardIdTasksTaskIdPatch;
const blocked = await update(board.id, second.id, { status: "done" });
assert.ok(blocked.status === 409);
const conflict: BlockedTaskError = blocked.data;
assert.deepEqual(conflict.detail.blocked_by_task_ids, [first.id]);
assert.equal(conflict.detail.code, "task_blocked_cannot_transition");
const wrong = await update(board.id, first.id, { title: "" });
assert.ok(wrong.status === 422);
const invalid: HTTPValidationError = wrong.data;
assert.deepEqual(invalid.detail?.[0].loc, ["body", "title"]);
const moved = await ok(update(board.id, first.id, { status: "in_progress", comment: "I begin", due_at: since }));
assert.ok(moved.in_progress_at);
await ok(update(board.id, first.id, { status: "done", assigned_agent_id: null, title: null }));
await ok(update(board.id, second.id, { status: "review", depends_on_task_ids: [] }));
const listTasks = tasks.listTasksApiV1BoardsBoardIdTasksGet;
assert.equal((await ok(listTasks(board.id, { status: "done,review", unassigned: true }))).total, 2);
const comment = tasks.createTaskCommentApiV1BoardsBoardIdTasksTaskIdCommentsPost;
await ok(comment(board.id, second.id, { message: "Wind is good" }));
const comments = await ok(tasks.listTaskCommentsApiV1BoardsBoardIdTasksTaskIdCommentsGet(board.id, second.id));
assert.deepEqual(comments.items.map((one) => one.message), ["Wind is good"]);

// Approvals.
const createApproval = approvals.createApprovalApiV1BoardsBoardIdApprovalsPost;
const asked = { action_type: "deploy", confidence: 82.5, payload: { reason: "Ready" }, rubric_scores: { tests: 9 } };
const wish = await ok(createApproval(board.id, { ...asked, task_ids: [second.id], lead_reasoning: "It floats" }));
const decide = approvals.updateApprovalApiV1BoardsBoardIdApprovalsApprovalIdPatch;
assert.equal((await ok(decide(board.id, wish.id, { status: "approved" }))).status, "approved");
const other = await ok(createApproval(board.id, { ...asked, task_ids: [second.id] }));
assert.ok((await ok(decide(board.id, other.id, { status: "rejected" }))).resolved_at);
const approved = { status: "approved", limit: 200 } as const;
assert.equal((await ok(approvals.listApprovalsApiV1BoardsBoardIdApprovalsGet(board.id, approved))).total, 1);

// Chat, memory and webhooks.
const chat = { content: "Ahoy", tags: ["chat"], source: "Ada" };
assert.ok((await ok(memory.createBoardMemoryApiV1BoardsBoardIdMemoryPost(board.id, chat))).is_chat);
assert.equal((await ok(memory.listBoardMemoryApiV1BoardsBoardIdMemoryGet(board.id, { is_chat: true }))).total, 1);
await ok(groupMemory.createBoardGroupMemoryApiV1BoardGroupsGroupIdMemoryPost(fleet.id, chat));
await ok(groupMemory.createBoardGroupMemoryForBoardApiV1BoardsBoardIdGroupMemoryPost(board.id, { content: "Tide" }));
assert.equal((await ok(groupMemory.listBoardGroupMemoryApiV1BoardGroupsGroupIdMemoryGet(fleet.id))).total, 2);
await ok(groupMemory.listBoardGroupMemoryForBoardApiV1BoardsBoardIdGroupMemoryGet(board.id, { is_chat: false }));
const hook = await ok(
  webhooks.createBoardWebhookApiV1BoardsBoardIdWebhooksPost(board.id, {
    ...{ description: "Pushes", enabled: true, agent_id: null },
  }),
);
const updateHook = webhooks.updateBoardWebhookApiV1BoardsBoardIdWebhooksWebhookIdPatch;
assert.equal((await ok(updateHook(board.id, hook.id, { description: "All pushes" }))).description, "All pushes");
const received = await webhooks.ingestBoardWebhookApiV1BoardsBoardIdWebhooksWebhookIdPost(board.id, hook.id, {
  ...{ headers: { "Content-Type": "application/json" }, body: '{"ref": "main"}' },
});
assert.equal(received.status, 202);
await ok(webhooks.getBoardWebhookApiV1BoardsBoardIdWebhooksWebhookIdGet(board.id, hook.id));
assert.equal((await ok(webhooks.listBoardWebhooksApiV1BoardsBoardIdWebhooksGet(board.id))).total, 1);
const listPayloads = webhooks.listBoardWebhookPayloadsApiV1BoardsBoardIdWebhooksWebhookIdPayloadsGet;
const [payload] = (await ok(listPayloads(board.id, hook.id, { limit: 20, offset: 0 }))).items;
const getPayload = webhooks.getBoardWebhookPayloadApiV1BoardsBoardIdWebhooksWebhookIdPayloadsPayloadIdGet;
assert.deepEqual((await ok(getPayload(board.id, hook.id, payload.id))).payload, { ref: "main" });

// Overviews.
const snapshot = await ok(boards.getBoardSnapshotApiV1BoardsBoardIdSnapshotGet(board.id));
assert.deepEqual([snapshot.tasks.length, snapshot.agents.length, snapshot.pending_approvals_count], [2, 2, 0]);
assert.equal((await ok(groups.getBoardGroupSnapshotApiV1BoardGroupsGroupIdSnapshotGet(fleet.id))).boards?.length, 2);
await ok(boards.getBoardGroupSnapshotApiV1BoardsBoardIdGroupSnapshotGet(board.id, { include_self: true }));
const key = { range_key: "7d", board_id: board.id } as const;
assert.equal((await ok(metrics.dashboardMetricsApiV1MetricsDashboardGet(key))).kpis.done_tasks, 1);
const events = await ok(activity.listActivityApiV1ActivityGet({ limit: 200, offset: 0 }));
assert.ok(events.items.some((event) => event.event_type === "task.comment" && event.route_name === "board"));
assert.equal((await ok(activity.listTaskCommentFeedApiV1ActivityTaskCommentsGet({ board_id: board.id }))).total, 2);

// Streams, from the beginning of all this.
const read = async (answer: Promise<Answer>, type: string, shapes: Record<string, string>) => {
  const event = await firstEvent(await answer, type);
  for (const [part, shape] of Object.entries({ activity: "ActivityEventRead", ...shapes })) {
    streamed.push({ shape, value: event[part] });
  }
  return event;
};
await read(agents.streamAgentsApiV1AgentsStreamGet({ since, board_id: null }), "agent.created", { agent: "AgentRead" });
const streamTasks = tasks.streamTasksApiV1BoardsBoardIdTasksStreamGet;
await read(streamTasks(board.id, { since }), "task.created", { task: "TaskRead" });
await read(streamTasks(board.id, { since }), "task.comment", { comment: "TaskCommentRead" });
const streamApprovals = approvals.streamApprovalsApiV1BoardsBoardIdApprovalsStreamGet(board.id, { since });
const counted = await read(streamApprovals, "approval.created", { approval: "ApprovalRead" });
assert.equal(counted.task_counts.task_id, second.id);
const streamMemory = memory.streamBoardMemoryApiV1BoardsBoardIdMemoryStreamGet(board.id, { since, is_chat: true });
await read(streamMemory, "board_memory.created", { memory: "BoardMemoryRead" });
const streamGroup = groupMemory.streamBoardGroupMemoryApiV1BoardGroupsGroupIdMemoryStreamGet(fleet.id, { since });
await read(streamGroup, "board_group_memory.created", { memory: "BoardGroupMemoryRead" });
const streamHere = groupMemory.streamBoardGroupMemoryForBoardApiV1BoardsBoardIdGroupMemoryStreamGet(board.id, { since });
await read(streamHere, "board_group_memory.created", { memory: "BoardGroupMemoryRead" });
const streamComments = activity.streamTaskCommentFeedApiV1ActivityTaskCommentsStreamGet({ since });
await read(streamComments, "task.comment", { comment: "ActivityTaskCommentFeedItemRead" });

// An agent's own work.
assert.equal((await ok(agent.agentHealthzApiV1AgentHealthzGet(robot))).gateway_id, gateway.id);
await ok(agent.agentHeartbeatApiV1AgentHeartbeatPost(robot));
await ok(agent.listBoardsApiV1AgentBoardsGet({}, robot));
await ok(agent.getBoardApiV1AgentBoardsBoardIdGet(board.id, robot));
await ok(agent.listAgentsApiV1AgentAgentsGet({}, robot));
await ok(agent.listTagsApiV1AgentBoardsBoardIdTagsGet(board.id, robot));
const third = await ok(agent.agentLeadCreateTask(board.id, { title: "Caulk", assigned_agent_id: bosun.id }, robot));
const work = agent.updateTaskApiV1AgentBoardsBoardIdTasksTaskIdPatch;
await ok(work(board.id, third.id, { status: "in_progress", comment: "On it" }, robot));
await ok(agent.createTaskCommentApiV1AgentBoardsBoardIdTasksTaskIdCommentsPost(board.id, third.id, { message: "Dry" }, robot));
await ok(agent.listTaskCommentsApiV1AgentBoardsBoardIdTasksTaskIdCommentsGet(board.id, third.id, {}, robot));
await ok(agent.listTasksApiV1AgentBoardsBoardIdTasksGet(board.id, { assigned_agent_id: bosun.id }, robot));
await ok(agent.createBoardMemoryApiV1AgentBoardsBoardIdMemoryPost(board.id, { content: "Noted" }, robot));
await ok(agent.listBoardMemoryApiV1AgentBoardsBoardIdMemoryGet(board.id, {}, robot));
await ok(agent.createApprovalApiV1AgentBoardsBoardIdApprovalsPost(board.id, { ...asked, task_id: third.id }, robot));
await ok(agent.listApprovalsApiV1AgentBoardsBoardIdApprovalsGet(board.id, { status: "pending" }, robot));
const deckhand = await ok(agent.agentLeadCreateAgent({ name: "Deckhand", board_id: board.id }, robot));
assert.equal(deckhand.status, "provisioning");
await ok(agent.agentLeadNudgeAgent(board.id, mate.id, { message: "Wake up" }, robot));
const ownPayload = agent.getWebhookPayloadApiV1AgentBoardsBoardIdWebhooksWebhookIdPayloadsPayloadIdGet;
await ok(ownPayload(board.id, hook.id, payload.id, { max_chars: 100 }, robot));
await deleted(agent.deleteTaskApiV1AgentBoardsBoardIdTasksTaskIdDelete(board.id, third.id, robot));

// Members and invites: another person joins, and leaves.
const invite = { invited_email: "ben@example.com", role: "member", all_boards_read: true, all_boards_write: false };
const invited = await ok(organizations.createOrgInviteApiV1OrganizationsMeInvitesPost({ ...invite, board_access: [] }));
const ben = { headers: { Authorization: `Bearer ${process.env.OTHER_TOKEN}` } };
const accept = organizations.acceptOrgInviteApiV1OrganizationsInvitesAcceptPost;
const joined = await ok(accept({ token: invited.token }, ben));
const unused = await ok(organizations.createOrgInviteApiV1OrganizationsMeInvitesPost({ invited_email: "eve@example.com" }));
assert.equal((await ok(organizations.listOrgInvitesApiV1OrganizationsMeInvitesGet({ limit: 200 }))).total, 2);
const revoke = organizations.revokeOrgInviteApiV1OrganizationsMeInvitesInviteIdDelete;
assert.equal((await ok(revoke(unused.id))).id, unused.id);
assert.equal((await ok(organizations.listOrgMembersApiV1OrganizationsMeMembersGet({ limit: 200 }))).total, 2);
const promote = organizations.updateOrgMemberApiV1OrganizationsMeMembersMemberIdPatch;
assert.equal((await ok(promote(joined.id, { role: "member" }))).role, "member");
const grant = organizations.updateMemberAccessApiV1OrganizationsMeMembersMemberIdAccessPut;
const access = { all_boards_read: false, all_boards_write: false, board_access: [{ board_id: board.id, can_read: true }] };
assert.equal((await ok(grant(joined.id, access))).board_access?.length, 1);
await ok(organizations.getOrgMemberApiV1OrganizationsMeMembersMemberIdGet(joined.id));
await deleted(organizations.removeOrgMemberApiV1OrganizationsMeMembersMemberIdDelete(joined.id));
await deleted(users.deleteMeApiV1UsersMeDelete(ben));

// What needs a gateway says so, and everything else can be deleted.
const refused: Answer = await gateways.deleteGatewayApiV1GatewaysGatewayIdDelete(gateway.id);
assert.equal(refused.status, 501);
await deleted(tasks.deleteTaskApiV1BoardsBoardIdTasksTaskIdDelete(board.id, first.id));
const deleteField = fields.deleteOrgCustomFieldApiV1OrganizationsMeCustomFieldsTaskCustomFieldDefinitionIdDelete;
await deleted(deleteField(field.id));
await deleted(tags.deleteTagApiV1TagsTagIdDelete(tag.id));
await deleted(webhooks.deleteBoardWebhookApiV1BoardsBoardIdWebhooksWebhookIdDelete(board.id, hook.id));
await deleted(agent.agentLeadDeleteBoardAgent(board.id, bosun.id, robot));
await deleted(agents.deleteAgentApiV1AgentsAgentIdDelete(mate.id));
await deleted(boards.deleteBoardApiV1BoardsBoardIdDelete(board.id));
await deleted(groups.deleteBoardGroupApiV1BoardGroupsGroupIdDelete(fleet.id));
await deleted(organizations.deleteMyOrgApiV1OrganizationsMeDelete());
assert.equal((await ok(organizations.getMyOrgApiV1OrganizationsMeGet())).id, personal.id);
keep("answers.json");
console.log("done");
process.exit();
