"""A TLS front for a PostgreSQL that is built without TLS: it answers the SSLRequest and forwards the bytes."""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

_SSL_REQUEST = 80877103
# What PostgreSQL answers where pg_hba.conf knows only `hostssl`.
_NO_ENCRYPTION = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry, no encryption\0\0"


@asynccontextmanager
async def tls_front(
    backend_port: int, context: ssl.SSLContext, *, host: str = "127.0.0.1", plain_too: bool = True, direct: bool = False
) -> AsyncIterator[int]:
    """The port of a front that listens on `host`; without `plain_too` it turns unencrypted sessions away.

    With `direct` it speaks TLS from the first byte, as PostgreSQL 17 can.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if direct:
                await _forward(b"", reader, writer, backend_port)
                return
            first = await reader.readexactly(8)
            length, code = struct.unpack("!ii", first)
            if code == _SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(context)
                first = b""
            elif not plain_too:
                await reader.readexactly(length - 8)
                writer.write(b"E" + struct.pack("!i", len(_NO_ENCRYPTION) + 4) + _NO_ENCRYPTION)
                await writer.drain()
                return
            await _forward(first, reader, writer, backend_port)

    async with listening(serve, host, context if direct else None) as port:
        yield port


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """The port of a server that takes connections and never says a word."""

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass

    async with listening(serve, "127.0.0.1") as port:
        yield port


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    host: str,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """Runs `serve` for each connection, and ends them all with itself."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def run() -> None:
            try:
                await serve(reader, writer)
            finally:
                writer.close()

        task = asyncio.ensure_future(run())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, host, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _forward(first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, backend_port: int) -> None:
    backend_reader, backend_writer = await asyncio.open_connection("127.0.0.1", backend_port)
    backend_writer.write(first)
    try:
        copies = [
            asyncio.ensure_future(_copy(reader, backend_writer)),
            asyncio.ensure_future(_copy(backend_reader, writer)),
        ]
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        for copy in copies:
            copy.cancel()
        await asyncio.gather(*copies, return_exceptions=True)
    finally:
        backend_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
