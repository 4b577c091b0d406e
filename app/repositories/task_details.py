"""The parts of a task that are in other tables, read with the task itself by one statement."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.db.request.prepared import row_factory
from app.models import CustomField, CustomFieldBoard, CustomFieldValue, Tag, Task, TaskDependency, TaskStatus, TaskTag

_COLUMNS = tuple(Task.__table__.c)
_task_row = row_factory(_COLUMNS)


class TagOfTask(NamedTuple):
    """A tag as it is shown with its tasks."""

    id: UUID
    name: str
    slug: str
    color: str


TAG_COLUMNS: Sequence[InstrumentedAttribute[Any]] = [getattr(Tag, name) for name in TagOfTask._fields]


@dataclass
class TaskDetails:
    """What a task waits for, what of that is not done, and its tags."""

    depends_on: list[UUID] = field(default_factory=list)
    blocked_by: list[UUID] = field(default_factory=list)
    tags: Sequence[TagOfTask] = ()

    def add_dependency(self, task_id: UUID, status: str) -> None:
        self.depends_on.append(task_id)
        if status != TaskStatus.DONE:
            self.blocked_by.append(task_id)


class TaskView(NamedTuple):
    """A row of a task, which cannot be changed, with its details and its value in every custom field of its board."""

    task: Task
    details: TaskDetails
    custom_field_values: dict[str, Any]


def select_view() -> Select[Any]:
    """Select a task as `view_of_row` takes it. Of many tasks PostgreSQL has the parts faster by a statement a table."""
    return select(
        *_COLUMNS,
        _dependencies().label("dependencies"),
        _tags().label("tags"),
        _custom_field_values().label("custom_field_values"),
    )


def view_of_row(row: Sequence[Any]) -> TaskView:
    *task, dependencies, tags, values = row
    details = TaskDetails(tags=[TagOfTask(UUID(tag_id), *shown) for tag_id, *shown in tags or ()])
    for task_id, status in dependencies or ():
        details.add_dependency(UUID(task_id), status)
    return TaskView(_task_row(task), details, values or {})


def _dependencies() -> ColumnElement[Any]:
    other, order = aliased(Task), (TaskDependency.created_at, TaskDependency.depends_on_task_id)
    pairs = func.json_agg(func.json_build_array(other.id, other.status)).aggregate_order_by(*order)
    statement = select(pairs).select_from(TaskDependency).join(other, other.id == TaskDependency.depends_on_task_id)
    return statement.where(TaskDependency.task_id == Task.id).correlate(Task).scalar_subquery()


def _tags() -> ColumnElement[Any]:
    tags = func.json_agg(func.json_build_array(*TAG_COLUMNS)).aggregate_order_by(Tag.name, Tag.id)
    statement = select(tags).select_from(TaskTag).join(Tag, Tag.id == TaskTag.tag_id)
    return statement.where(TaskTag.task_id == Task.id).correlate(Task).scalar_subquery()


def _custom_field_values() -> ColumnElement[Any]:
    key, value = CustomField.field_key, CustomFieldValue
    values = func.json_object_agg(key, value.value).aggregate_order_by(key)
    statement = (
        select(values)
        .select_from(CustomFieldBoard)
        .join(CustomField, CustomField.id == CustomFieldBoard.custom_field_id)
        .outerjoin(value, (value.custom_field_id == CustomField.id) & (value.task_id == Task.id))
    )
    return statement.where(CustomFieldBoard.board_id == Task.board_id).correlate(Task).scalar_subquery()
