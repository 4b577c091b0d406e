"""…/stream: changes as server-sent events (WHATWG HTML, 9.2)."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, HeaderParameter, Parameter
from litestar.response import Stream
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.http.auth import NEWEST, sign_in_of
from app.api.http.handler_parameters import CallerRequest, PathId, Session
from app.api.openapi.errors import problems
from app.api.stream_messages import (
    load_agents,
    load_approvals,
    load_comments,
    load_group_memory,
    load_memory,
    load_tasks,
)
from app.core.errors import BadRequestError, FieldProblem
from app.core.stream_cursor import StreamCursor, is_moment
from app.schemas.streams import (
    AgentStreamItem,
    ApprovalStreamItem,
    BoardGroupMemoryStreamItem,
    BoardMemoryStreamItem,
    TaskCommentStreamItem,
    TaskStreamItem,
)
from app.services.activity import COMMENTED
from app.services.board_groups import BoardGroupService
from app.services.boards import BoardService
from app.services.callers import Caller
from app.services.stream_hub import Hub
from app.services.streams import Admitted, EventFilter, Loader, Reader, StreamService, Topic

Admit = Callable[[AsyncSession, Caller], Awaitable[Topic]]
_MEDIA_TYPE = "text/event-stream"
# No proxy may cache or buffer a stream; the second header tells nginx.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
# A plus sign that was not encoded arrives as a space.
_LOST_PLUS = re.compile(r" (\d\d:\d\d)$")
_SENT = (
    "Server-sent events, and a comment line every 15 s. The `data` of an event is JSON of this form; its `id` is for"
    " `Last-Event-ID`, and its `event` is the kind of the changed object."
)


class Opening:
    """Opens the stream of one request."""

    def __init__(
        self, request: CallerRequest, session: AsyncSession, hub: Hub, begin: StreamCursor | datetime | None
    ) -> None:
        self._request = request
        self._session = session
        self._hub = hub
        self._begin = begin

    async def stream(self, admit: Admit) -> Stream:
        """Return the stream of what `admit` lets the caller see. It is called again while the stream goes on."""
        admitted = await _admitted(admit, self._session, self._request.user)
        # Read before the response starts: every later commit is then in the stream.
        now = await StreamService(self._session, self._request.user).current_snapshot()
        begin = self._begin
        cursor = (
            begin
            if isinstance(begin, StreamCursor)
            else StreamCursor(now)
            if begin is None
            else StreamCursor(begin, now)
        )
        sign_in = sign_in_of(self._request.scope)

        async def admit_again(session: AsyncSession) -> Admitted:
            return await _admitted(admit, session, await sign_in(session))

        chunks = Reader(self._hub, admitted, cursor, admit_again, self._request.user.until).chunks()
        return Stream(chunks, headers=_HEADERS, media_type=_MEDIA_TYPE)


async def _admitted(admit: Admit, session: AsyncSession, caller: Caller) -> Admitted:
    return Admitted(await admit(session, caller), caller.access_ids)


def provide_opening(
    request: CallerRequest,
    db_session: Session,
    hub: NamedDependency[Hub],
    since: Annotated[
        str | None,
        Parameter(
            max_length=64,
            description="Begin with events at this time or later (RFC 3339).",
            schema_extra={"format": "date-time"},
        ),
    ] = None,
    last_event_id: Annotated[
        str | None,
        HeaderParameter(
            name="Last-Event-ID", description="Go on after the event with this `id`. It takes precedence over `since`."
        ),
    ] = None,
) -> Opening:
    """Return the dependency `opening`. Raises BadRequestError and InvalidStreamCursorError."""
    if last_event_id:
        return Opening(request, db_session, hub, StreamCursor.decode(last_event_id))
    return Opening(request, db_session, hub, _time(since) if since is not None else None)


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(_LOST_PLUS.sub(r"+\1", text))
    except ValueError:
        time = None
    if time is None or not is_moment(time):
        raise BadRequestError(errors=(FieldProblem("since", "Give a time such as 2026-11-23T10:00:00Z."),))
    return time


Open = NamedDependency[Opening]


def _stream(path: str, operation_id: str, summary: str, tag: str, item: type[Struct]) -> get:
    """Return the decorator of a handler whose events have `item` as their data."""
    sent = ResponseSpec(item, generate_examples=False, media_type=_MEDIA_TYPE, description=_SENT)
    return get(
        path,
        operation_id=operation_id,
        summary=summary,
        tags=[tag],
        responses={**problems(404), 200: sent},
        # A replica may lack commits from before the client has its headers, which would be missing in the stream.
        opt={NEWEST: True},
    )


class StreamController(Controller):
    """The streams of changes, which go on as long as the client stays."""

    @_stream("/agents/stream", "stream_agents", "Stream the changes of agents", "agents", AgentStreamItem)
    async def agents(self, opening: Open, board_id: FromQuery[UUID | None] = None) -> Stream:
        return await opening.stream(_everywhere_or_on(board_id, "agent", "agent.", load_agents))

    @_stream(
        "/activity/task-comments/stream",
        "stream_comments",
        "Stream the comments on all tasks that you may read",
        "activity",
        TaskCommentStreamItem,
    )
    async def comments(self, opening: Open, board_id: FromQuery[UUID | None] = None) -> Stream:
        return await opening.stream(_everywhere_or_on(board_id, "comment", COMMENTED, load_comments))

    @_stream(
        "/boards/{board_id:uuid}/tasks/stream",
        "stream_tasks",
        "Stream the changes and comments of a board's tasks",
        "tasks",
        TaskStreamItem,
    )
    async def tasks(self, opening: Open, board_id: PathId) -> Stream:
        return await opening.stream(_on_board(board_id, "task", "task.", load_tasks))

    @_stream(
        "/boards/{board_id:uuid}/approvals/stream",
        "stream_approvals",
        "Stream the changes of a board's approvals",
        "approvals",
        ApprovalStreamItem,
    )
    async def approvals(self, opening: Open, board_id: PathId) -> Stream:
        return await opening.stream(_on_board(board_id, "approval", "approval.", load_approvals))

    @_stream(
        "/boards/{board_id:uuid}/memory/stream",
        "stream_board_memory",
        "Stream additions to the memory of a board",
        "board-memory",
        BoardMemoryStreamItem,
    )
    async def memory(self, opening: Open, board_id: PathId, is_chat: FromQuery[bool | None] = None) -> Stream:
        return await opening.stream(_on_board(board_id, "memory", "board_memory.", load_memory, is_chat))

    @_stream(
        "/board-groups/{group_id:uuid}/memory/stream",
        "stream_board_group_memory",
        "Stream additions to the memory of a board group",
        "board-group-memory",
        BoardGroupMemoryStreamItem,
    )
    async def group_memory(self, opening: Open, group_id: PathId, is_chat: FromQuery[bool | None] = None) -> Stream:
        async def admit(session: AsyncSession, caller: Caller) -> Topic:
            group = await BoardGroupService(session, caller).get(group_id)
            return _in_group(group.organization_id, group.id, is_chat)

        return await opening.stream(admit)

    @_stream(
        "/boards/{board_id:uuid}/group-memory/stream",
        "stream_group_memory_of_board",
        "Stream additions to the memory of a board's group",
        "board-group-memory",
        BoardGroupMemoryStreamItem,
    )
    async def group_memory_of_board(
        self, opening: Open, board_id: PathId, is_chat: FromQuery[bool | None] = None
    ) -> Stream:
        """Stream additions; nothing while the board is in no group."""

        async def admit(session: AsyncSession, caller: Caller) -> Topic:
            group = await BoardGroupService(session, caller).get_of_board(board_id)
            return _in_group(caller.access.organization_id, group.id if group else None, is_chat)

        return await opening.stream(admit)


def _on_board(board_id: UUID, name: str, kind: str, load: Loader, is_chat: bool | None = None) -> Admit:
    async def admit(session: AsyncSession, caller: Caller) -> Topic:
        board = await BoardService(session, caller).get(board_id)
        return Topic(name, EventFilter(board.organization_id, kind, frozenset({board.id})), load, is_chat)

    return admit


def _everywhere_or_on(board_id: UUID | None, name: str, kind: str, load: Loader) -> Admit:
    """Return the topic of one board, or of all boards that the caller may read; for people also what has no board."""
    if board_id is not None:
        return _on_board(board_id, name, kind, load)

    async def admit(session: AsyncSession, caller: Caller) -> Topic:
        boards = await StreamService(session, caller).readable_board_ids()
        wanted = EventFilter(caller.access.organization_id, kind, boards, beside_boards=caller.agent is None)
        return Topic(name, wanted, load)

    return admit


def _in_group(organization_id: UUID, group_id: UUID | None, is_chat: bool | None) -> Topic:
    nowhere: frozenset[UUID] = frozenset()
    wanted = EventFilter(organization_id, "board_group_memory.", nowhere, board_group_id=group_id)
    return Topic("memory", wanted, load_group_memory, is_chat)
