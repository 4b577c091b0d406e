"""Copy rows of the old database into ours, without holding more than a few of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from app.importing.mission_control.source import Source
from app.importing.mission_control.target import Target

# How much is read ahead of what is written.
_CHUNKS_AHEAD = 8


async def copy_rows(
    source: Source, query: str, target: Target, table: str, columns: Sequence[str], advance: Callable[[int], None]
) -> None:
    """Append the rows of a query to a table; `advance` is told of each number of rows. Raises DatabaseErrors."""
    chunks: asyncio.Queue[bytes | Exception] = asyncio.Queue(_CHUNKS_AHEAD)

    async def read() -> None:
        try:
            await source.copy_out(query, chunks.put)
            await chunks.put(b"")
        except Exception as exc:  # noqa: BLE001 - it is raised where the rows are awaited
            await chunks.put(exc)

    async def lines() -> AsyncIterator[bytes]:
        while chunk := await chunks.get():
            if isinstance(chunk, Exception):
                raise chunk
            advance(chunk.count(b"\n"))
            yield chunk

    reading = asyncio.create_task(read())
    try:
        await target.copy_in(table, columns, lines())
    finally:
        reading.cancel()
        await asyncio.wait({reading})
