"""nginx before the replicas, with the site that migrations/docs/deploy has."""

import asyncio
import os
import re
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from app.cli.demo.rollout.errors import RolloutError
from app.cli.demo.rollout.processes import free_port, kill, start_process, tail
from app.cli.demo.rollout.releases import CHECKOUT

_SITE = CHECKOUT / "migrations" / "docs" / "deploy" / "nginx.conf"
_REPLICAS = re.compile(r"(?:^ +server \S+:\d+ (.*;)\n)+", re.MULTILINE)
_ALSO_IN = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")
# What a worker logs when it stops to accept.
_RETIRED = "gracefully shutting down"
_PATIENCE = 30.0
_AROUND = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log notice;
events {{ worker_connections 512; }}
http {{
access_log off;
client_body_temp_path {folder}/bodies;
proxy_temp_path {folder}/answers;
fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u;
scgi_temp_path {folder}/s;
{site}
}}
"""


def find_nginx() -> str:
    """Return the path of the program. Raises RolloutError if it is not installed."""
    # It is in /usr/sbin on Debian, which is in root's PATH alone.
    found = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), *_ALSO_IN]))
    if found is None:
        raise RolloutError(
            "nginx, which the replicas stand behind, is not installed: `apt-get install nginx-light` on Debian and"
            " Ubuntu, `brew install nginx` on macOS."
        )
    return found


def nginx_command(binary: str, folder: Path) -> list[str]:
    return [binary, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]


def write_configuration(folder: Path, port: int, addresses: Sequence[str]) -> None:
    """Write the shipped site with this port and these replicas, as a configuration that needs no other file."""
    site = _SITE.read_text(encoding="utf-8").replace("listen 80;", f"listen 127.0.0.1:{port};")
    (options,) = _REPLICAS.findall(site)
    site = _REPLICAS.sub("".join(f"server {address} {options}\n" for address in addresses), site)
    # Started by root, its workers would be an account that may not enter the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_AROUND.format(user=user, folder=folder, site=site), encoding="utf-8")


class Nginx:
    """A running nginx, whose replicas can be replaced."""

    def __init__(self, binary: str, folder: Path) -> None:
        self._command = nginx_command(binary, folder)
        self._folder = folder
        self._log = folder / "error.log"
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    async def start(self, addresses: Sequence[str]) -> None:
        """Start it before these replicas, and return when it accepts connections. Raises RolloutError."""
        write_configuration(self._folder, self._port, addresses)
        self._process = await start_process(self._command, self._log, self._folder, dict(os.environ))
        await self._wait("start worker process ", 1)

    async def use(self, addresses: Sequence[str]) -> None:
        """Ask these replicas from now on; return once no request comes to another one any more. Raises RolloutError."""
        retired = self._count(_RETIRED)
        write_configuration(self._folder, self._port, addresses)
        reload = await start_process([*self._command, "-s", "reload"], self._log, self._folder, dict(os.environ))
        if await reload.wait():
            raise RolloutError(f"nginx does not load its configuration. {tail(self._log)}")
        await self._wait(_RETIRED, retired + 1)

    async def stop(self) -> None:
        if self._process is not None:
            await kill(self._process, signal.SIGTERM)

    async def _wait(self, text: str, times: int) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _PATIENCE
        while self._count(text) < times:
            if self._process.returncode is not None or time.monotonic() > deadline:
                raise RolloutError(f"nginx does not serve. {tail(self._log)}")
            await asyncio.sleep(0.02)

    def _count(self, text: str) -> int:
        return self._log.read_text(errors="replace").count(text) if self._log.exists() else 0
