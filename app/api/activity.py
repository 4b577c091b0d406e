"""The controller of activity: /activity."""

from uuid import UUID

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import CallerRequest, PageWindow, provide_service
from app.api.http.pagination import page_response
from app.api.openapi.errors import problems
from app.models import ActivityEvent
from app.schemas.activity import ActivityEventRead, ActivityTaskCommentFeedItemRead
from app.schemas.pagination import Page
from app.services.activity import COMMENTED, ActivityService, FeedItem

Activity = NamedDependency[ActivityService]
# Objects other than boards and tasks -> the operation that reads them. Its path has the id.
_READS = {"agent": "get_agent", "invite": "get_invite", "member": "get_member"}

# Stored event types -> what clients know them as. An index is on the stored one.
_SHOWN_AS = {COMMENTED: "task.comment"}


class ActivityController(Controller):
    path = "/activity"
    tags = ("activity",)
    dependencies = provide_service(ActivityService)

    @get(operation_id="list_activity", summary="List what happened, newest first", responses=problems(404))
    async def list_all(
        self, request: CallerRequest, window: PageWindow, service: Activity
    ) -> Response[Page[ActivityEventRead]]:
        found = await service.page(window)
        return page_response(request, window, found, read_event)

    @get(
        "/task-comments",
        operation_id="list_comment_feed",
        summary="List the comments on all tasks that you may read, newest first",
        responses=problems(404),
    )
    async def list_comments(
        self, request: CallerRequest, window: PageWindow, service: Activity, board_id: FromQuery[UUID | None] = None
    ) -> Response[Page[ActivityTaskCommentFeedItemRead]]:
        found = await service.page_comments(board_id, window)
        return page_response(request, window, found, read_comment_item)


def read_event(event: ActivityEvent) -> ActivityEventRead:
    route_name, route_params = _route(event)
    event_type = _SHOWN_AS.get(event.event_type, event.event_type)
    return to_shape(ActivityEventRead, event, event_type=event_type, route_name=route_name, route_params=route_params)


def _route(event: ActivityEvent) -> tuple[str | None, dict[str, str] | None]:
    """Return the operation that reads the changed object, and its path parameters; None if the object is gone."""
    noun, _, verb = event.event_type.partition(".")
    if verb in {"deleted", "removed"}:
        return None, None
    if event.board_id and event.task_id:
        return "get_task", {"board_id": str(event.board_id), "task_id": str(event.task_id)}
    if noun in _READS and event.subject_id:
        return _READS[noun], {f"{noun}_id": str(event.subject_id)}
    if event.board_group_id:
        return "get_board_group", {"group_id": str(event.board_group_id)}
    return ("get_board", {"board_id": str(event.board_id)}) if event.board_id else (None, None)


def read_comment_item(found: FeedItem) -> ActivityTaskCommentFeedItemRead:
    event, agent = found.event, found.agent
    assert event.subject_id is not None, "a comment"
    return ActivityTaskCommentFeedItemRead(
        id=event.subject_id,
        created_at=event.created_at,
        message=event.message,
        agent_id=event.agent_id,
        agent_name=agent.name if agent else None,
        agent_role=("lead" if agent.is_board_lead else "agent") if agent else None,
        task_id=found.task.id,
        task_title=found.task.title,
        board_id=found.board.id,
        board_name=found.board.name,
    )
