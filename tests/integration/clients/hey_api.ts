// The functions of @hey-api/openapi-ts, which read streams, too.
import assert from "node:assert/strict";
import * as api from "./client";
import { client } from "./client/client.gen";

// It asks for the token of each scheme that the document names: an agent's header would not take a person's.
client.setConfig({
  baseUrl: process.env.BASE_URL,
  auth: ({ scheme }) => (scheme === "bearer" ? process.env.TOKEN : undefined),
});

const organization = await api.createOrganization({ body: { name: "Harbour Works" } });
assert.equal(organization.response?.status, 201);
const board = await api.createBoard({
  headers: { "Idempotency-Key": "hey-api" },
  body: { name: "Refit", slug: "hey-api", description: "Made by a generated client" },
});
assert.ok(board.data);
const board_id: string = board.data.id;

const first = await api.createTask({
  path: { board_id },
  body: { title: "Splice", priority: "high", due_at: "2099-11-30T10:00:00Z" },
});
assert.ok(first.data);
const path = { board_id, task_id: first.data.id };
const emptied = await api.updateTask({ path, body: { due_at: null, title: null } });
assert.deepEqual([emptied.data?.due_at, emptied.data?.title], [null, "Splice"]);

const second = await api.createTask({
  path: { board_id },
  body: { title: "Sail", depends_on_task_ids: [first.data.id] },
});
assert.ok(second.data);
const status: api.TaskStatus = "in_progress";
const refused = await api.updateTask({ path: { board_id, task_id: second.data.id }, body: { status } });
assert.ok(refused.error && typeof refused.error.detail === "object");
assert.deepEqual(refused.error.detail.blocked_by_task_ids, [first.data.id]);

const ids: string[] = [];
for (let cursor: string | null = ""; cursor !== null; ) {
  const query: { limit: number; cursor: string } = { limit: 1, cursor };
  const page: api.TaskPage | undefined = (await api.listTasks({ path: { board_id }, query })).data;
  assert.ok(page);
  ids.push(...page.items.map((task) => task.id));
  cursor = page.next_cursor;
}
assert.deepEqual(ids.sort(), [first.data.id, second.data.id].sort());

const webhook = await api.createWebhook({ path: { board_id }, body: { description: "Pushes" } });
assert.ok(webhook.data);
const body = new Blob(['{"ref": "main"}']);
const received = await api.receiveWebhook({ path: { board_id, webhook_id: webhook.data.id }, body });
assert.equal(received.data?.ok, true);

const leaving = new AbortController();
const query = { since: first.data.created_at };
const { stream } = await api.streamTasks({ path: { board_id }, query, signal: leaving.signal });
for await (const item of stream) {
  assert.equal(item.type, "task.created");
  assert.equal(item.task?.title, "Splice");
  break;
}
leaving.abort();

assert.equal((await api.deleteBoard({ path: { board_id } })).response?.status, 204);
console.log("done");
