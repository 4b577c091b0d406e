"""Running one of PostgreSQL's programs beside the event loop: its input, its output, and its errors."""

import asyncio
import re
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from ...postgres.dev_server.account import end_with_parent
from ...postgres.errors import BackupError, one_printable_line
from .archive import CHUNK

# The program's errors are in English. The server's are in its own language, and recognized by the SQLSTATE that psql
# shows; classes 00 to 02 are no errors.
_ERROR = re.compile(r"(?:\berror:|^[^:]+:  (?!0[012])[0-9A-Z]{5}:)\s+(.+)")
BROKEN_PIPE = (BrokenPipeError, ConnectionResetError)


class Program:
    """A running program; each line that it writes to standard error goes to `on_line`."""

    def __init__(self, process: Process, name: str, on_line: Callable[[str], None] | None) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._name = name
        self._error = ""
        self.output = process.stdout
        self._listening = asyncio.create_task(self._listen(process.stderr, on_line))

    async def write(self, data: bytes) -> None:
        """Write to its standard input. Raises one of BROKEN_PIPE once the program has ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        await self._process.stdin.drain()

    def close_input(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def succeed(self) -> None:
        """Wait for its end; its output must have been read. Raises BackupError if it failed."""
        if await self._process.wait() != 0:
            raise await self.failure()

    async def failure(self) -> BackupError:
        """Return why it failed: the first line of its error, because the lines below may show values."""
        code = await self._process.wait()
        await self._listening
        return BackupError(f"{self._name} failed: {self._error or f'it ended with code {code}'}.")

    async def end(self) -> None:
        """Kill it if it still runs, and wait for its end."""
        with suppress(ProcessLookupError):
            self._process.kill()
        # The pipes are emptied, because asyncio waits for their ends, too.
        while await self.output.read(CHUNK):
            pass
        await self._listening
        await self._process.wait()

    async def _listen(self, lines: asyncio.StreamReader, on_line: Callable[[str], None] | None) -> None:
        async for line in lines:
            text = line.decode(errors="replace").rstrip()
            if not self._error and (match := _ERROR.search(text)):
                self._error = one_printable_line(match[1]).rstrip(".")
            if on_line is not None:
                on_line(text)


@asynccontextmanager
async def running(
    command: list[str],
    environment: dict[str, str],
    *,
    takes_input: bool = False,
    on_line: Callable[[str], None] | None = None,
) -> AsyncIterator[Program]:
    """Run the program until the block ends, which kills it if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE if takes_input else DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=environment,
        limit=CHUNK,
        # It ends with this process, also if that is killed. At SIGINT, psql and pg_dump cancel their statements.
        preexec_fn=end_with_parent,
    )
    program = Program(process, Path(command[0]).name, on_line)
    try:
        yield program
    finally:
        await program.end()
