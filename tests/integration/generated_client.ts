// What a TypeScript client does with the types that openapi-typescript makes of the served document.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Task = components["schemas"]["TaskRead"];
type Problem = components["schemas"]["ProblemDetails"];
type TaskConflict = components["schemas"]["TaskConflict"];

const baseUrl = process.env.BASE_URL ?? "";
const person = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${process.env.TOKEN}` } });

const board = await person.POST("/api/v1/boards", {
  params: { header: { "Idempotency-Key": "typescript" } },
  body: { name: "TypeScript", slug: "typescript", description: "Made by a generated client" },
});
assert.equal(board.response.status, 201);
assert.ok(board.data);
const board_id: string = board.data.id;

const agent = await person.POST("/api/v1/agents", { body: { name: "Bosun", board_id } });
const token: string | null | undefined = agent.data?.token;
assert.ok(token);
const robot = createClient<paths>({ baseUrl, headers: { "X-Agent-Token": token } });

const made = await robot.POST("/api/v1/agent/boards/{board_id}/tasks", {
  params: { path: { board_id } },
  body: { title: "Splice", priority: "high", due_at: null },
});
assert.ok(made.data);
const task: Task = made.data;
assert.equal(task.status, "inbox");

const path = { board_id, task_id: task.id };
const read = await person.GET("/api/v1/boards/{board_id}/tasks/{task_id}", { params: { path } });
const tag = read.response.headers.get("etag") ?? "";
const changed = await person.PATCH("/api/v1/boards/{board_id}/tasks/{task_id}", {
  params: { path, header: { "If-Match": tag } },
  body: { status: "in_progress" },
});
assert.equal(changed.data?.status, "in_progress");
const late = await person.PATCH("/api/v1/boards/{board_id}/tasks/{task_id}", {
  params: { path, header: { "If-Match": tag } },
  body: { status: "done" },
});
const problem: Problem | TaskConflict | undefined = late.error;
assert.equal(problem?.code, "precondition_failed");

const page = await person.GET("/api/v1/boards/{board_id}/tasks", {
  params: { path: { board_id }, query: { status: "in_progress", limit: 10 } },
});
assert.deepEqual(page.data?.items.map((one: Task) => one.id), [task.id]);
const gone = await person.DELETE("/api/v1/boards/{board_id}", { params: { path: { board_id } } });
assert.equal(gone.response.status, 204);
console.log("done");
