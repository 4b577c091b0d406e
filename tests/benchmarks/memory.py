"""The row about memory: what a worker has resident after many requests, and whether it grows."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.bench import Bench
from tests.benchmarks.load import Request
from tests.benchmarks.results import Goal, Outcome, Sample
from tests.benchmarks.servers import OURS
from tests.support.processes import BIN, ROOT

_SOON = 0.2


def memory(bench: Bench) -> list[Outcome]:
    """Of ten requests eight read a board, one lists its tasks and one makes a task."""
    size, wanted = bench.effort.size, bench.effort.requests
    boards = [f"/api/v1/boards/{size.board(n)}" for n in range(size.boards)]
    body = json.dumps({"title": "A task"})
    requests = [
        request
        for board in boards
        for request in [Request("GET", board)] * 8
        + [Request("GET", f"{board}/tasks"), Request("POST", f"{board}/tasks", body)]
    ]
    samples: dict[str, list[Sample]] = {}
    programs = _installed_as_in_the_image(bench.folder)
    with bench.database(size) as url, bench.serving(OURS, url, programs=programs) as server:
        sent = 0
        for share in (_SOON, 1):
            while sent < share * wanted:
                turn = bench.load(server, requests)
                sent += round(turn.value * bench.effort.seconds)
            assert turn.memory is not None
            samples[f"after {round(share * wanted):,} requests"] = [Sample(turn.memory, turn.p50, turn.p99)]
    soon, late = samples
    goals = [Goal(110, at_most=True, of=late), Goal(1.05, soon, at_most=True, of=late)]
    return [Outcome("memory", "What the worker has resident", "MB", samples, goals)]


def _installed_as_in_the_image(folder: Path) -> Path:
    """The programs of an environment of its own: what is here for development would be imported, too, such as pydantic.

    It comes out of uv's cache, where that has it.
    """
    environment, uv = folder / "environment", shutil.which("uv", path=f"{BIN}:{os.environ['PATH']}")
    assert uv is not None, "by which all is installed"
    into = ("--quiet", "--compile-bytecode", f"--python={environment}", f"--requirements={ROOT / 'requirements.txt'}")
    for command in (("venv", "--quiet", f"--python={sys.executable}", environment), ("pip", "install", *into)):
        subprocess.run([uv, *command], check=True, cwd=folder, stdin=subprocess.DEVNULL, timeout=300)
    return environment / "bin"
