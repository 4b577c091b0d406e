"""Running a program of PostgreSQL's beside the event loop: what goes in, what comes out, and what it complains of."""

import asyncio
import re
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from ...postgres.dev_server.account import end_with_parent
from ...postgres.errors import BackupError, printable
from .archive import CHUNK

# The program's own errors are in English; those of the server are in its language, and known by the SQLSTATE that psql
# shows. Classes 00 to 02 are no errors.
_COMPLAINT = re.compile(r"(?:\berror:|^[^:]+:  (?!0[012])[0-9A-Z]{5}:)\s+(.+)")
BROKEN_PIPE = (BrokenPipeError, ConnectionResetError)


class Program:
    """A program that runs; what it says on standard error goes line by line to `heard`."""

    def __init__(self, process: Process, name: str, heard: Callable[[str], None] | None) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._name = name
        self._complaint = ""
        self.output = process.stdout
        self._listening = asyncio.create_task(self._listen(process.stderr, heard))

    async def write(self, data: bytes) -> None:
        """Raises one of BROKEN_PIPE once the program has gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    def close_input(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def succeed(self) -> None:
        """Waits for its end, after its output has been read. Raises BackupError unless that is a good one."""
        if await self._process.wait() != 0:
            raise await self.failure()

    async def failure(self) -> BackupError:
        """Why it ended: the first line of its complaint, since those below may show values."""
        code = await self._process.wait()
        await self._listening
        return BackupError(f"{self._name} failed: {self._complaint or f'it ended with code {code}'}.")

    async def end(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        # The pipes are emptied, because asyncio waits for their ends too.
        while await self.output.read(CHUNK):
            pass
        await self._listening
        await self._process.wait()

    async def _listen(self, words: asyncio.StreamReader, heard: Callable[[str], None] | None) -> None:
        async for line in words:
            text = line.decode(errors="replace").rstrip()
            if not self._complaint and (match := _COMPLAINT.search(text)):
                self._complaint = printable(match[1]).rstrip(".")
            if heard is not None:
                heard(text)


@asynccontextmanager
async def running(
    command: list[str],
    environment: dict[str, str],
    *,
    takes_input: bool = False,
    heard: Callable[[str], None] | None = None,
) -> AsyncIterator[Program]:
    """The program for the length of the block; it is killed at its end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE if takes_input else DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=environment,
        limit=CHUNK,
        # Also where this process is killed. At SIGINT, psql and pg_dump cancel what they have the server do.
        preexec_fn=end_with_parent,
    )
    program = Program(process, Path(command[0]).name, heard)
    try:
        yield program
    finally:
        await program.end()
