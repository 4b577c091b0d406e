// The class of swagger-typescript-api, which throws what is no success.
import assert from "node:assert/strict";
import { Api, type HttpResponse, type TaskConflict, type TaskPage, TaskStatus } from "./client/api";

const headers = { Authorization: `Bearer ${process.env.TOKEN}` };
const api = new Api({ baseUrl: process.env.BASE_URL, baseApiParams: { headers, format: "json" } });

const organization = await api.organizations.createOrganization({ name: "Harbour Works" });
assert.equal(organization.status, 201);
const slug = "swagger-typescript-api";
const board = await api.boards.createBoard({ name: "Refit", slug, description: "Made by a generated client" });
const boardId: string = board.data.id;

const first = (await api.tasks.createTask(boardId, { title: "Splice", due_at: "2099-11-30T10:00:00Z" })).data;
const emptied = (await api.tasks.updateTask(boardId, first.id, { due_at: null, title: null })).data;
assert.deepEqual([emptied.due_at, emptied.title], [null, "Splice"]);

const second = (await api.tasks.createTask(boardId, { title: "Sail", depends_on_task_ids: [first.id] })).data;
try {
  await api.tasks.updateTask(boardId, second.id, { status: TaskStatus.InProgress });
  assert.fail();
} catch (thrown) {
  const refused = thrown as HttpResponse<unknown, TaskConflict>;
  assert.equal(refused.status, 409);
  assert.ok(typeof refused.error.detail === "object");
  assert.deepEqual(refused.error.detail.blocked_by_task_ids, [first.id]);
}

const ids: string[] = [];
for (let cursor: string | null = ""; cursor !== null; ) {
  const page: TaskPage = (await api.tasks.listTasks(boardId, { limit: 1, cursor })).data;
  ids.push(...page.items.map((task) => task.id));
  cursor = page.next_cursor;
}
assert.deepEqual(ids.sort(), [first.id, second.id].sort());

const gone = await api.boards.deleteBoard(boardId, { format: undefined });
assert.equal(gone.status, 204);
console.log("done");
