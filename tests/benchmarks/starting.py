"""The rows about starting: how long until a process is of use, against an interpreter that imports its libraries."""

import sys
import time
from functools import partial

from tests.benchmarks.bench import Bench
from tests.benchmarks.commands import to_its_end
from tests.benchmarks.results import Goal, Outcome, Sample
from tests.benchmarks.servers import OURS
from tests.support.processes import BIN

UPGRADE = (BIN / "litestar", "database", "upgrade", "--no-prompt")
_IMPORTS = (sys.executable, "-c", "import litestar, advanced_alchemy.extensions.litestar, alembic.command, asyncpg")
_BARE = "imports"


def start(bench: Bench) -> list[Outcome]:
    with bench.database() as url:
        turns = {
            OURS: partial(_until_ready, bench, url),
            _BARE: partial(to_its_end, _IMPORTS, bench.cores.worker, url),
        }
        samples = bench.in_turns(turns)
    title = "From the start to ready, with the schema at head, against the imports alone"
    return [Outcome("start", title, "seconds", samples, [Goal(1.8, _BARE, at_most=True)])]


def upgrade(bench: Bench) -> list[Outcome]:
    with bench.database() as url:
        commands = {OURS: UPGRADE, _BARE: _IMPORTS}
        turns = {name: partial(to_its_end, command, bench.cores.worker, url) for name, command in commands.items()}
        samples = bench.in_turns(turns)
    title = "`litestar database upgrade` with nothing to do, against the same imports"
    return [Outcome("upgrade", title, "seconds", samples, [Goal(1.3, _BARE, at_most=True)])]


def _until_ready(bench: Bench, url: str) -> Sample:
    with bench.serving(OURS, url) as server:
        passed, used = time.monotonic() - server.started_at, server.usage()
    return Sample(passed, cpu=used.cpu * 1e6, memory=used.memory)
