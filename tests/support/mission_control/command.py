"""The command that takes an old database over."""

import json
from typing import Any

from tests.support.processes import environment, run

COMMAND = ("litestar", "import", "mission-control")


def take_over(source: str, target: str, *options: str, **env: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the report, and standard error."""
    done = run(*COMMAND, source, *options, "--json", env=environment(DATABASE_URL=target, LOCAL_AUTH_TOKEN=None, **env))
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr
