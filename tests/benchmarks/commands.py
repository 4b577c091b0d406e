"""Commands that run to their end, each on the core that is measured."""

import subprocess
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import psutil

from tests.benchmarks.results import Sample
from tests.support.processes import ROOT, environment, in_checkout


def to_its_end(
    command: Sequence[str | Path],
    cores: set[int],
    database: str,
    *,
    checkout: Path = ROOT,
    given: str = "",
    codes: Collection[int] = (0,),
) -> Sample:
    """How long the command takes with this database and, on its standard input, what is given; in seconds.

    It has to end with one of the exit codes.
    """
    env = in_checkout(environment(ENVIRONMENT="production", DATABASE_URL=database), checkout)
    before, began = psutil.Process().cpu_times(), time.monotonic()
    with subprocess.Popen(
        command,
        env=env,
        cwd=checkout,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        psutil.Process(process.pid).cpu_affinity(sorted(cores))
        _, errors = process.communicate(given, timeout=600)
    passed, after = time.monotonic() - began, psutil.Process().cpu_times()
    if process.returncode not in codes:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{errors}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Sample(passed, cpu=used * 1e6)
