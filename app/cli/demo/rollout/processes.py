"""The commands and servers of a release, as processes that end with this one."""

import asyncio
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import httpx

from app.cli.demo.rollout.errors import RolloutError
from app.core.setting_sources import SECRETS, file_variable
from app.core.settings import Settings
from app.postgres.dev_server.account import end_with_parent

_PATIENCE = 60.0  # Seconds, for what takes one or two on an idle machine.
_TAIL = 15  # Lines of a log in a message.
_LITESTAR = (sys.executable, "-m", "litestar")


class Release(NamedTuple):
    """The code of a release, and the environment in which its processes run."""

    name: str
    folder: Path
    settings: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """Return this process's environment without what the project and libpq read, and with `settings`."""
        ours = {*map(str.upper, Settings.__struct_fields__), *map(file_variable, SECRETS)}
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in ours and not name.startswith(("PG", "LITESTAR_", "OTEL_"))
        }
        return {**kept, **self.settings, "PYTHONPATH": str(self.folder)}


class State(StrEnum):
    STARTING = "starting"
    UP = "up"
    DRAINING = "draining"
    STOPPED = "stopped"


class Replica:
    """A server of a release, on a free port of the loopback."""

    def __init__(self, name: str, release: Release) -> None:
        self.name = name
        self.state = State.STARTING
        self.address = f"127.0.0.1:{free_port()}"
        self._release = release
        self._log = release.folder / f"{name}.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def has_ended(self) -> bool:
        """Return whether its process is gone, by itself or because it was stopped."""
        return self._process is None or self._process.returncode is not None

    def belongs_to(self, release: Release) -> bool:
        return self._release is release

    async def start(self) -> None:
        """Start it and return when it is ready. Raises RolloutError."""
        command = [*_LITESTAR, "run", "--port", self.address.rpartition(":")[2]]
        self._process = await start_process(command, self._log, self._release.folder, self._release.environment)
        deadline = time.monotonic() + _PATIENCE
        async with httpx.AsyncClient(trust_env=False) as client:
            while not await self._is_ready(client):
                if self._process.returncode is not None or time.monotonic() > deadline:
                    raise RolloutError(f"{self.name} did not become ready. {tail(self._log)}")
                await asyncio.sleep(0.05)
        self.state = State.UP

    async def stop(self) -> None:
        """Send SIGTERM and wait for its end. Raises RolloutError if it was gone already, or did not end well."""
        assert self._process is not None
        if self._process.returncode is not None:
            raise RolloutError(f"{self.name} has ended by itself. {tail(self._log)}")
        self._process.send_signal(signal.SIGTERM)
        code = await self._process.wait()
        # Once it is done, uvicorn ends by the signal that it was sent.
        if code not in {0, -signal.SIGTERM}:
            raise RolloutError(f"{self.name} ended with code {code}. {tail(self._log)}")
        self.state = State.STOPPED

    async def kill(self) -> None:
        if self._process is not None:
            await kill(self._process)

    async def _is_ready(self, client: httpx.AsyncClient) -> bool:
        with suppress(httpx.TransportError):
            return (await client.get(f"{self.url}/readyz")).is_success
        return False


async def run_command(release: Release, *words: str, on_line: Callable[[str], None] | None = None) -> str:
    """Run `litestar …` of the release and return what it prints; `on_line` gets each line. Raises RolloutError."""
    log = release.folder / "commands.log"
    process = await start_process(
        [*_LITESTAR, *words], log, release.folder, release.environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    lines = []
    try:
        async for line in process.stdout:
            lines.append(line.decode())
            if on_line is not None:
                on_line(lines[-1])
        code = await process.wait()
    finally:
        await kill(process)
    if code:
        raise RolloutError(f"`litestar {' '.join(words)}` ended with code {code}. {tail(log)}")
    return "".join(lines)


async def start_process(
    command: Sequence[str], log: Path, folder: Path, environment: dict[str, str], stdout: int | None = None
) -> asyncio.subprocess.Process:
    """Start a process that the kernel ends with this one (on Linux), and that Ctrl-C in the terminal does not reach."""
    with log.open("a") as output:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output if stdout is None else stdout,
            stderr=output,
            cwd=folder,
            env=environment,
            start_new_session=True,
            preexec_fn=end_with_parent,
        )


async def kill(process: asyncio.subprocess.Process, how: signal.Signals = signal.SIGKILL) -> None:
    """End the process if it runs, and wait for its end."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.send_signal(how)
        await process.wait()


def tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-_TAIL:] if log.exists() else []
    return "The end of its log:\n" + "\n".join(f"  {line}" for line in lines)


def free_port() -> int:
    """Return a port where nobody listens, below those that the system gives to connections."""
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
