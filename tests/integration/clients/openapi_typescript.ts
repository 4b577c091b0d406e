// The types of openapi-typescript, which openapi-fetch sends requests with.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./client/api";

type TaskStreamItem = components["schemas"]["TaskStreamItem"];

const baseUrl = process.env.BASE_URL ?? "";
const person = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${process.env.TOKEN}` } });

const organization = await person.POST("/api/v1/organizations", { body: { name: "Harbour Works" } });
assert.equal(organization.response.status, 201);
const board = await person.POST("/api/v1/boards", {
  params: { header: { "Idempotency-Key": "openapi-typescript" } },
  body: { name: "Refit", slug: "openapi-typescript", description: "Made by a generated client" },
});
assert.ok(board.data);
const board_id: string = board.data.id;

const agent = await person.POST("/api/v1/agents", { body: { name: "Bosun", board_id } });
const token: string | null | undefined = agent.data?.token;
assert.ok(token);
const robot = createClient<paths>({ baseUrl, headers: { "X-Agent-Token": token } });
const first = await robot.POST("/api/v1/agent/boards/{board_id}/tasks", {
  params: { path: { board_id } },
  body: { title: "Splice", priority: "high", due_at: "2099-11-30T10:00:00Z" },
});
assert.ok(first.data);
const path = { board_id, task_id: first.data.id };
const read = await person.GET("/api/v1/boards/{board_id}/tasks/{task_id}", { params: { path } });
const header = { "If-Match": read.response.headers.get("etag") ?? "" };
const emptied = await person.PATCH("/api/v1/boards/{board_id}/tasks/{task_id}", {
  params: { path, header },
  body: { due_at: null, title: null },
});
assert.equal(emptied.data?.due_at, null);
assert.equal(emptied.data.title, "Splice");
const late = await person.PATCH("/api/v1/boards/{board_id}/tasks/{task_id}", {
  params: { path, header },
  body: { status: "done" },
});
assert.equal(late.error?.code, "precondition_failed");

const second = await person.POST("/api/v1/boards/{board_id}/tasks", {
  params: { path: { board_id } },
  body: { title: "Sail", depends_on_task_ids: [first.data.id] },
});
assert.ok(second.data);
const refused = await person.PATCH("/api/v1/boards/{board_id}/tasks/{task_id}", {
  params: { path: { board_id, task_id: second.data.id } },
  body: { status: "in_progress" },
});
assert.ok(refused.error && typeof refused.error.detail === "object");
assert.deepEqual(refused.error.detail.blocked_by_task_ids, [first.data.id]);

const ids: string[] = [];
for (let cursor: string | null = ""; cursor !== null; ) {
  const query: { limit: number; cursor: string } = { limit: 1, cursor };
  const page = await person.GET("/api/v1/boards/{board_id}/tasks", { params: { path: { board_id }, query } });
  assert.ok(page.data);
  ids.push(...page.data.items.map((task) => task.id));
  cursor = page.data.next_cursor;
}
assert.deepEqual(ids.sort(), [first.data.id, second.data.id].sort());

const sent = await person.GET("/api/v1/boards/{board_id}/tasks/stream", {
  params: { path: { board_id }, query: { since: first.data.created_at } },
  parseAs: "stream",
});
assert.ok(sent.data);
let text = "";
for await (const chunk of sent.data.pipeThrough(new TextDecoderStream())) {
  if (/^data: .*\n/m.test((text += chunk))) break;
}
const item: TaskStreamItem = JSON.parse(/^data: (.*)\n/m.exec(text)?.[1] ?? "null");
assert.equal(item.type, "task.created");
assert.equal(item.task?.title, "Splice");

const gone = await person.DELETE("/api/v1/boards/{board_id}", { params: { path: { board_id } } });
assert.equal(gone.response.status, 204);
console.log("done");
