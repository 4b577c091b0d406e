"""What belongs to a task: of two tasks that differ in all of it, each has its own, however it is read or changed."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from litestar import Litestar
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import NotFoundError
from app.core.pagination import Window
from app.db.plugin import DatabasePlugin
from app.models import (
    Board,
    CustomField,
    CustomFieldBoard,
    CustomFieldValue,
    Organization,
    Tag,
    Task,
    TaskComment,
    TaskDependency,
    TaskTag,
)
from app.repositories.custom_fields import CustomFieldRepository, CustomFieldValueRepository
from app.repositories.tasks import TaskCommentRepository, TaskFilter, TaskRepository

OURS, BOARD, OTHER_BOARD = (UUID(int=number) for number in range(1, 4))
# The one waits for the next two, the other for the last.
ONE, OTHER, LATER, EARLIER, LAST, ELSEWHERE = (UUID(int=number) for number in range(10, 16))
# By their names in the other order; the last two have the same name.
ROPE, PAINT, TAR, SECOND_TAR = (UUID(int=number) for number in range(20, 24))
SIZE, COLOR, FOREIGN = (UUID(int=number) for number in range(30, 33))
NOW = datetime.now(UTC)


def rows_of(model: type[Any], *rows: Mapping[str, Any]) -> tuple[type[Any], list[dict[str, Any]]]:
    return model, [{"organization_id": OURS, **row} for row in rows]


ROWS = (
    (Organization, [{"id": OURS, "name": ""}]),
    rows_of(Board, *({"id": id_, "name": "", "slug": str(id_), "description": ""} for id_ in (BOARD, OTHER_BOARD))),
    rows_of(
        Task,
        *(
            {"id": id_, "board_id": board, "title": "", "status": status}
            for id_, board, status in (
                *((task, BOARD, "inbox") for task in (ONE, OTHER, LATER, LAST)),
                (EARLIER, BOARD, "done"),
                (ELSEWHERE, OTHER_BOARD, "inbox"),
            )
        ),
    ),
    rows_of(
        TaskDependency,
        *(
            {"task_id": task, "depends_on_task_id": other, "created_at": NOW - timedelta(hours=hours)}
            for task, other, hours in ((ONE, LATER, 1), (ONE, EARLIER, 2), (OTHER, LAST, 1))
        ),
    ),
    rows_of(
        Tag,
        *(
            {"id": id_, "name": name, "slug": str(id_), "color": "ffffff"}
            for id_, name in ((ROPE, "rope"), (PAINT, "paint"), (SECOND_TAR, "tar"), (TAR, "tar"))
        ),
    ),
    rows_of(
        TaskTag,
        *(
            {"task_id": task, "tag_id": tag}
            for task, tag in ((ONE, SECOND_TAR), (ONE, TAR), (ONE, ROPE), (OTHER, PAINT))
        ),
    ),
    rows_of(
        CustomField,
        *(
            {"id": id_, "field_key": key, "label": key, "field_type": "text"}
            for id_, key in ((SIZE, "size"), (COLOR, "color"), (FOREIGN, "foreign"))
        ),
    ),
    rows_of(
        CustomFieldBoard,
        *(
            {"board_id": board, "custom_field_id": field}
            for board, field in ((BOARD, SIZE), (BOARD, COLOR), (OTHER_BOARD, FOREIGN), (OTHER_BOARD, SIZE))
        ),
    ),
    rows_of(
        CustomFieldValue,
        *(
            {"task_id": task, "custom_field_id": field, "value": value}
            for task, field, value in ((ONE, SIZE, "L"), (OTHER, COLOR, "red"), (ONE, FOREIGN, "gone"))
        ),
    ),
    rows_of(TaskComment, {"task_id": ONE, "message": "of the one"}, {"task_id": LAST, "message": "of the last"}),
)
# What the tasks wait for, what of that is not done, the tags and the values.
EXPECTED = {
    ONE: ([EARLIER, LATER], [LATER], [ROPE, TAR, SECOND_TAR], [("color", None), ("size", "L")]),
    OTHER: ([LAST], [LAST], [PAINT], [("color", "red"), ("size", None)]),
    LATER: ([], [], [], [("color", None), ("size", None)]),
}


@pytest.fixture
async def session(app: Litestar) -> AsyncIterator[AsyncSession]:
    async with app.plugins.get(DatabasePlugin).sessions() as session:
        for model, rows in ROWS:
            for row in rows:
                await session.execute(insert(model), [row])
        yield session


async def read_alone(session: AsyncSession) -> dict[UUID, Any]:
    views = {task: await TaskRepository(session=session).get_view(BOARD, task) for task in EXPECTED}
    return {
        task: (
            view.details.depends_on,
            view.details.blocked_by,
            [tag.id for tag in view.details.tags],
            [*view.custom_field_values.items()],
        )
        for task, view in views.items()
    }


async def read_together(session: AsyncSession, *ids: UUID) -> dict[UUID, Any]:
    details = await TaskRepository(session=session).details(ids)
    values = await CustomFieldValueRepository(session=session).values_of_tasks(BOARD, ids)
    return {
        task: (
            details[task].depends_on,
            details[task].blocked_by,
            [tag.id for tag in details[task].tags],
            [*values[task].items()],
        )
        for task in ids
    }


async def test_task_has_its_own_parts_read_alone_or_with_others(session: AsyncSession) -> None:
    assert await read_alone(session) == EXPECTED
    assert await read_together(session, *EXPECTED) == EXPECTED
    assert await read_together(session, ONE) == {ONE: EXPECTED[ONE]}


async def test_change_of_a_tasks_parts_leaves_the_other_its_own(session: AsyncSession) -> None:
    tasks, values = TaskRepository(session=session), CustomFieldValueRepository(session=session)
    board = await session.get_one(Board, BOARD)
    fields = {field.id: field for field in await values.lock_fields(BOARD)}
    assert [field.field_key for field in fields.values()] == ["color", "size"]
    for changed, other in ((ONE, OTHER), (OTHER, ONE)):
        await tasks.replace_dependencies(board, changed, [LATER])
        await tasks.replace_tags(board, changed, [ROPE])
        await values.set_values(changed, [(fields[SIZE], None), (fields[COLOR], "blue")])
        found = await read_alone(session)
        assert found[changed] == ([LATER], [LATER], [ROPE], [("color", "blue"), ("size", None)])
        assert found[other] == (EXPECTED[other] if other == OTHER else found[changed])
    await values.set_values(OTHER, [(fields[COLOR], None), (fields[SIZE], "XL")])
    assert (await read_alone(session))[OTHER][3] == [("color", None), ("size", "XL")]
    stored = CustomFieldRepository(session=session).stream_values
    assert [[value async for value in stored(field)] for field in (SIZE, COLOR)] == [["XL"], ["blue"]]


async def test_task_is_found_on_its_board_alone_and_changed_by_itself(session: AsyncSession) -> None:
    tasks = TaskRepository(session=session)
    for board, task in ((OTHER_BOARD, ONE), (BOARD, ELSEWHERE), (BOARD, BOARD)):
        for get in (tasks.get_row, tasks.get_view, tasks.lock_view, tasks.lock_row_against_deletion):
            with pytest.raises(NotFoundError):
                await get(board, task)
    with pytest.raises(NotFoundError):
        await tasks.update_row(BOARD, title="nobody's")
    changed = {"title": "Splice", "due_at": NOW, "assigned_agent_id": None}
    stored = await tasks.update_row(ONE, **changed)
    assert {name: getattr(stored, name) for name in changed} == changed
    for row in (await tasks.get_row(BOARD, ONE), await tasks.lock_row_against_deletion(BOARD, ONE)):
        assert row == stored
    assert (await tasks.get_row(BOARD, OTHER)).title == ""


async def test_field_that_leaves_a_board_stays_on_the_others_with_its_values(session: AsyncSession) -> None:
    fields = CustomFieldRepository(session=session)
    size = await fields.lock(id=SIZE)
    await fields.replace_boards(size, [BOARD])
    await fields.replace_boards(size, [BOARD])
    session.expunge_all()
    found = await CustomFieldValueRepository(session=session).lock_fields(OTHER_BOARD)
    assert [field.field_key for field in found] == ["foreign"]
    assert [field.id for field in await CustomFieldValueRepository(session=session).lock_fields(BOARD)] == [COLOR, SIZE]
    assert [value async for value in fields.stream_values(SIZE)] == ["L"]
    assert [value async for value in fields.stream_values(FOREIGN)] == ["gone"]


async def test_task_waits_for_another_over_any_number_of_steps(session: AsyncSession) -> None:
    step = {"organization_id": OURS, "task_id": ELSEWHERE, "depends_on_task_id": ONE}
    await session.execute(insert(TaskDependency), [step])
    for starts, task, waits in (
        *(([ONE], LATER, True), ([ONE], LAST, False), ([OTHER], LAST, True), ([LAST], ONE, False)),
        *(([ONE, OTHER], LAST, True), ([LATER], LATER, True), ([ELSEWHERE], ONE, True), ([ELSEWHERE], LATER, True)),
    ):
        assert await TaskRepository(session=session).any_waits_for(starts, task) is waits, (starts, task)


async def test_board_has_its_own_tasks_and_a_task_its_own_comments(session: AsyncSession) -> None:
    tasks, comments = TaskRepository(session=session), TaskCommentRepository(session=session)
    assert await tasks.existing_ids(BOARD, [ONE, ELSEWHERE, BOARD]) == {ONE}
    for board, expected in ((BOARD, {ONE, OTHER, LATER, EARLIER, LAST}), (OTHER_BOARD, {ELSEWHERE})):
        page = await tasks.page(board, TaskFilter(), Window(10))
        assert ({row.id for row in page.rows}, page.total) == (expected, len(expected))
    for task, messages in ((ONE, ["of the one"]), (OTHER, []), (LAST, ["of the last"])):
        assert [row.message for row in (await comments.page(task, Window(10))).rows] == messages
        assert await comments.has_any(task) is bool(messages)
