"""Requests over connections that stay open (32 in most rows), each sent when the answer to the one before it is there.

By wrk, a client in C: on two cores one in Python would take from the server what is to be measured.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from tests.conftest import TOKEN

CONNECTIONS = 32
_SCRIPT = Path(__file__).with_name("requests.lua")


class Request(NamedTuple):
    method: str
    path: str
    body: str = ""


class Load(NamedTuple):
    """What came of one turn; times in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float


class FailedRequestsError(Exception):
    """There were answers that are no success: what was measured says nothing."""


def wrk() -> str:
    """Raises FileNotFoundError where it is not installed."""
    found = shutil.which("wrk")
    if found is None:
        raise FileNotFoundError("The benchmarks send their requests with wrk: install the Debian package wrk.")
    return found


def send(url: str, requests: Sequence[Request], seconds: float, connections: int = CONNECTIONS) -> Load:
    """These requests in turn, over and over, for that long. Raises FailedRequestsError."""
    with NamedTemporaryFile("w", suffix=".requests") as file:
        file.writelines(f"{request.method}\t{request.path}\t{request.body}\n" for request in requests)
        file.flush()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        sent = subprocess.run(
            [
                *(
                    wrk(),
                    "--threads=1",
                    f"--connections={connections}",
                    f"--duration={max(1, round(seconds))}s",
                    "--timeout=60s",
                ),
                *(part for name, value in headers.items() for part in ("--header", f"{name}: {value}")),
                *("--script", str(_SCRIPT), url, "--", file.name),
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 30,
        )
    measured = json.loads(sent.stdout.splitlines()[-1])
    if measured.pop("failed"):
        raise FailedRequestsError(sent.stdout)
    return Load(**measured)
