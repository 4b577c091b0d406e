// The functions of orval's client for fetch, whose answers are told apart by their status.
import assert from "node:assert/strict";
import { createBoard, deleteBoard } from "./client/boards/boards";
import { createWebhook, receiveWebhook } from "./client/board-webhooks/board-webhooks";
import { TaskStatus } from "./client/model";
import { createOrganization } from "./client/organizations/organizations";
import { createTask, getTask, listTasks, updateTask } from "./client/tasks/tasks";

const authorization = `Bearer ${process.env.TOKEN}`;
const person = { headers: { authorization } };

const organization = await createOrganization({ name: "Harbour Works" }, person);
assert.equal(organization.status, 201);
const board = await createBoard({ name: "Refit", slug: "orval", description: "Made by a generated client" }, person);
assert.ok(board.status === 201);
const boardId: string = board.data.id;

const first = await createTask(boardId, { title: "Splice", priority: "high", due_at: "2099-11-30T10:00:00Z" }, person);
assert.ok(first.status === 201);
const taskId = first.data.id;
const read = await getTask(boardId, taskId, person);
const tag = read.headers.get("etag") ?? "";
const same = await getTask(boardId, taskId, { headers: { authorization, "If-None-Match": tag } });
assert.equal(same.status, 304);
const emptied = await updateTask(boardId, taskId, { due_at: null, title: null }, person);
assert.ok(emptied.status === 200);
assert.deepEqual([emptied.data.due_at, emptied.data.title, emptied.data.status], [null, "Splice", TaskStatus.inbox]);

const second = await createTask(boardId, { title: "Sail", depends_on_task_ids: [taskId] }, person);
assert.ok(second.status === 201);
const refused = await updateTask(boardId, second.data.id, { status: TaskStatus.in_progress }, person);
assert.ok(refused.status === 409 && typeof refused.data.detail === "object");
assert.deepEqual(refused.data.detail.blocked_by_task_ids, [taskId]);

const ids: string[] = [];
for (let cursor: string | null = ""; cursor !== null; ) {
  const page: Awaited<ReturnType<typeof listTasks>> = await listTasks(boardId, { limit: 1, cursor }, person);
  assert.ok(page.status === 200);
  ids.push(...page.data.items.map((task) => task.id));
  cursor = page.data.next_cursor;
}
assert.deepEqual(ids.sort(), [taskId, second.data.id].sort());

const webhook = await createWebhook(boardId, { description: "Pushes" }, person);
assert.ok(webhook.status === 201);
const received = await receiveWebhook(boardId, webhook.data.id, new Blob(['{"ref": "main"}']));
assert.ok(received.status === 201);
assert.equal(received.data.ok, true);

assert.equal((await deleteBoard(boardId, person)).status, 204);
console.log("done");
