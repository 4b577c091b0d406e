"""The life of one task: its moves, and the comments, approvals and events that go with them.

The rows are those that the API would have written: each move passes the rules of its board, and the dashboard can count
back by the events from what is to what was.
"""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec

from app.cli.demo import words
from app.cli.demo.generated_boards import EarlierTask, GeneratedBoard
from app.cli.demo.organization import Founding
from app.cli.demo.rows import Actor, RowBatch, id_at
from app.models import (
    Approval,
    ApprovalStatus,
    ApprovalTask,
    BoardWebhookPayload,
    CustomFieldValue,
    Task,
    TaskComment,
    TaskDependency,
    TaskPriority,
    TaskStatus,
    TaskTag,
)
from app.services.activity import COMMENTED, STATUS_CHANGED, status_change

# How far a task gets, given time, in percent and in the order of the statuses: so that there is work to see at each
# stage, however old it is.
_GOALS = dict(zip(TaskStatus, (20, 7, 5, 68), strict=True))
_PRIORITIES = dict(zip(TaskPriority, (25, 55, 20), strict=True))
# Hours on the mean until a task gets there from where it was.
_HOURS = {TaskStatus.IN_PROGRESS: 40.0, TaskStatus.REVIEW: 20.0, TaskStatus.DONE: 8.0}
_HEADERS = '{"content-type":"application/json","user-agent":"builds/4.2"}'

PickedT = TypeVar("PickedT")


class Move(NamedTuple):
    status: TaskStatus
    at: datetime


class TaskLife:
    """Begin with a task that was made on the board `generated` at `born`; its rows go into `batch`."""

    def __init__(
        self,
        founded: Founding,
        generated: GeneratedBoard,
        born: datetime,
        now: datetime,
        rng: random.Random,
        batch: RowBatch,
    ) -> None:
        self._founded, self._generated, self._board = founded, generated, generated.board
        self._born, self._now, self._rng, self._batch = born, now, rng, batch
        self._id = id_at(born)
        self._moves = [Move(TaskStatus.INBOX, born), *self._plan()]
        self._last = self._moves[-1]
        self._agent_id = self._assigned()

    def live(self) -> None:
        self._add_task()
        self._add_dependencies()
        self._add_tags_and_values()
        for before, after in zip(self._moves, self._moves[1:], strict=False):
            self._add_event(after.at, STATUS_CHANGED, status_change(before.status, after.status), self._worker())
        self._add_comments()
        self._add_approvals()
        if self._generated.webhook_id is not None and self._happens(0.05):
            self._add_payload(self._generated.webhook_id)
        done_at = self._last.at if self._last.status == TaskStatus.DONE else None
        self._generated.recent.append(EarlierTask(self._id, done_at))

    def _plan(self) -> Iterator[Move]:
        """Yield the moves after the inbox, as far as they are past."""
        at = self._born
        for status in self._path():
            at += timedelta(hours=self._rng.expovariate(1 / _HOURS[status]))
            if at >= self._now:
                return
            yield Move(status, at)

    def _path(self) -> list[TaskStatus]:
        goal = self._pick(_GOALS)
        if goal == TaskStatus.INBOX:
            return []
        path = [TaskStatus.IN_PROGRESS]
        if goal == TaskStatus.REVIEW or (
            goal == TaskStatus.DONE and (self._board.require_review_before_done or self._happens(0.7))
        ):
            path.append(TaskStatus.REVIEW)
            if self._happens(0.1):
                # Sent back once.
                path += [TaskStatus.IN_PROGRESS, TaskStatus.REVIEW]
        return [*path, TaskStatus.DONE] if goal == TaskStatus.DONE else path

    def _assigned(self) -> UUID | None:
        started = len(self._moves) > 1
        if not self._generated.agents or not self._happens(0.8 if started else 0.3):
            return None
        # Where its lead alone may move tasks, the lead works on them.
        return (
            self._generated.agents[0]
            if self._board.only_lead_can_change_status
            else self._rng.choice(self._generated.agents)
        )

    def _add_task(self) -> None:
        author = self._person() if self._happens(0.85) else self._worker()
        started = [move.at for move in self._moves if move.status == TaskStatus.IN_PROGRESS]
        title = self._rng.choice(words.TITLES)
        about = " ".join(self._rng.sample(words.DESCRIPTIONS, 2)) if self._happens(0.6) else None
        due_at = self._born + timedelta(days=self._rng.randrange(3, 40)) if self._happens(0.4) else None
        self._batch.add(
            Task,
            self._born,
            id=self._id,
            updated_at=self._last.at,
            board_id=self._board.id,
            created_by_user_id=author.user_id,
            title=title,
            description=about,
            status=self._last.status,
            priority=self._pick(_PRIORITIES),
            in_progress_at=started[-1] if started else None,
            due_at=due_at,
            assigned_agent_id=self._agent_id,
        )
        self._add_event(self._born, "task.created", title, author)

    def _add_dependencies(self) -> None:
        """On earlier tasks alone, so there is no circle; and no task was begun before what it waits for was done."""
        if not self._generated.recent or not self._happens(0.15):
            return
        earlier = self._rng.choice(self._generated.recent)
        begun = self._moves[1].at if len(self._moves) > 1 else None
        if begun is None or (earlier.done_at is not None and earlier.done_at <= begun):
            self._batch.add(TaskDependency, self._born, task_id=self._id, depends_on_task_id=earlier.task_id)

    def _add_tags_and_values(self) -> None:
        for tag_id in self._rng.sample(self._founded.tag_ids, self._rng.choice((0, 1, 1, 2))):
            self._batch.add(TaskTag, self._born, task_id=self._id, tag_id=tag_id)
        for field in self._generated.fields:
            if field.is_required or self._happens(0.4):
                value = self._rng.choice(field.values)
                about = {"task_id": self._id, "custom_field_id": field.field_id}
                self._batch.add(CustomFieldValue, self._born, **about, value=value)

    def _add_comments(self) -> None:
        end = self._last.at if len(self._moves) > 1 else self._now
        for _ in range(self._rng.choice((0, 0, 0, 1, 2))):
            self._comment(self._between(self._born, end))
        reviewed = [move.at for move in self._moves if move.status == TaskStatus.REVIEW]
        if reviewed and self._board.comment_required_for_review:
            self._comment(self._between(self._moves[1].at, reviewed[0]))

    def _comment(self, at: datetime) -> None:
        author, comment_id, message = self._worker(), id_at(at), self._rng.choice(words.COMMENTS)
        written_by = {"author_user_id": author.user_id, "author_agent_id": author.agent_id}
        self._batch.add(TaskComment, at, id=comment_id, task_id=self._id, **written_by, message=message)
        self._add_event(at, COMMENTED, message, author, comment_id)

    def _add_approvals(self) -> None:
        """Asked for after the last move but one and answered before the last; or waiting still, of one under way."""
        asks = 1.0 if self._board.require_approval_for_done else 0.03
        if self._last.status == TaskStatus.DONE and self._happens(asks):
            before, done = self._moves[-2].at, self._last.at
            middle = before + (done - before) / 2
            if self._happens(0.15):
                self._ask(before, ApprovalStatus.REJECTED, middle)
            self._ask(middle, ApprovalStatus.APPROVED, done)
        elif self._last.status in {TaskStatus.IN_PROGRESS, TaskStatus.REVIEW} and self._happens(asks / 4):
            self._ask(self._last.at, ApprovalStatus.PENDING, self._now)

    def _ask(self, begin: datetime, status: ApprovalStatus, end: datetime) -> None:
        """Between the two, and the answer as well."""
        asked = self._between(begin, end)
        approval_id, (action, reason) = id_at(asked), self._rng.choice([*words.APPROVALS.items()])
        is_pending = status == ApprovalStatus.PENDING
        answered = None if is_pending else self._between(asked, end)
        self._batch.add(
            Approval,
            asked,
            id=approval_id,
            board_id=self._board.id,
            agent_id=self._agent_id,
            action_type=action,
            confidence=float(self._rng.randrange(55, 100)),
            lead_reasoning=reason,
            status=status,
            resolved_at=answered,
        )
        linked = {"approval_id": approval_id, "task_id": self._id}
        self._batch.add(ApprovalTask, asked, **linked, position=0, is_pending=is_pending)
        asker = Actor(agent_id=self._agent_id) if self._agent_id else self._person()
        self._add_event(asked, "approval.created", action, asker, approval_id)
        if answered is not None:
            decider = Actor(user_id=self._rng.choice(self._founded.deciders))
            self._add_event(answered, f"approval.{status}", action, decider, approval_id)

    def _add_payload(self, webhook_id: UUID) -> None:
        payload_id, ok = id_at(self._born), self._happens(0.9)
        body = msgspec.json.encode({"build": self._rng.randrange(1000, 9999), "state": "success" if ok else "failure"})
        self._batch.add(
            BoardWebhookPayload,
            self._born,
            id=payload_id,
            webhook_id=webhook_id,
            body=body,
            headers=_HEADERS,
            source_ip=f"192.0.2.{self._rng.randrange(1, 255)}",
            content_type="application/json",
        )
        about = {"board_id": self._board.id, "subject_id": payload_id}
        self._batch.add_event(self._born, "webhook.received", words.WEBHOOK, Actor(), **about)

    def _add_event(
        self, at: datetime, event_type: str, message: str, actor: Actor, subject_id: UUID | None = None
    ) -> None:
        where = {"board_id": self._board.id, "task_id": self._id, "subject_id": subject_id}
        self._batch.add_event(at, event_type, message, actor, **where)

    def _worker(self) -> Actor:
        """Return the agent that the task is assigned to, for the most part, or a person."""
        return Actor(agent_id=self._agent_id) if self._agent_id and self._happens(0.8) else self._person()

    def _person(self) -> Actor:
        return Actor(user_id=self._rng.choice(self._generated.writers))

    def _happens(self, share: float) -> bool:
        return self._rng.random() < share

    def _pick(self, shares: dict[PickedT, int]) -> PickedT:
        """Return one of the keys, each as often as its share says."""
        return self._rng.choices([*shares], [*shares.values()])[0]

    def _between(self, begin: datetime, end: datetime) -> datetime:
        return begin + (end - begin) * self._rng.random()
