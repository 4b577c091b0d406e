"""L0: bare ASGI, asyncpg and msgspec."""

import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.schemas.tasks import TaskCreate, TaskUpdate
from tests.benchmarks.rivals import sql

_PATH = re.compile(r"/api/v1/boards/([^/]+)(/tasks)?(?:/([^/]+))?")
_encode = msgspec.json.Encoder().encode
_decode_create = msgspec.json.Decoder(TaskCreate).decode
_decode_update = msgspec.json.Decoder(TaskUpdate).decode
_pool: asyncpg.Pool


async def app(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    if scope["type"] == "lifespan":
        return await _live(receive, send)
    status, answer = await _answer(scope, receive)
    headers = [(b"content-type", b"application/json")]
    body = _encode(answer)
    await send(
        {"type": "http.response.start", "status": status, "headers": [*headers, (b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})
    return None


async def _live(receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    global _pool  # noqa: PLW0603 - one process, one pool
    await receive()
    _pool = await sql.open_pool()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await _pool.close()
    await send({"type": "lifespan.shutdown.complete"})


async def _answer(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]]) -> tuple[int, object]:
    found = _PATH.fullmatch(scope["path"])
    if found is None:
        return 404, None
    board_id, is_of_tasks = UUID(found[1]), found[2]
    match scope["method"], bool(is_of_tasks), found[3]:
        case "GET", False, None:
            return 200, await sql.get_board(_pool, board_id)
        case "GET", True, None:
            return 200, await sql.list_tasks(_pool, board_id)
        case "POST", True, None:
            return 201, await sql.create_task(_pool, board_id, _decode_create(await _body(receive)))
        case "PATCH", True, str(task_id):
            return 200, await sql.update_task(_pool, board_id, UUID(task_id), _decode_update(await _body(receive)))
    return 404, None


async def _body(receive: Callable[[], Awaitable[Any]]) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message.get("more_body", False)
    return body
