"""A plugin for pytest that tells coverage which test runs, and keeps which tests have passed and how long each took."""

import json
import os
from collections import defaultdict
from pathlib import Path

import coverage
import pytest

from tests.mutation.warm import build_application

# The variable that names the file to write.
FILE = "MUTATION_TIMES"

_seconds: dict[str, float] = defaultdict(float)
_not_passed: set[str] = set()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    _switch(item.nodeid)


def pytest_collection_finish() -> None:
    # The application is built before the tests, which share it: its lines are no single test's.
    build_application()


def pytest_runtest_logfinish() -> None:
    _switch("")


def _switch(context: str) -> None:
    if (running := coverage.Coverage.current()) is not None:
        running.switch_context(context)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[report.nodeid] += report.duration
    if not report.passed:
        _not_passed.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        passed = {name: seconds for name, seconds in _seconds.items() if name not in _not_passed}
        Path(os.environ[FILE]).write_text(json.dumps(passed))
