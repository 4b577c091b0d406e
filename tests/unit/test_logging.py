"""What a log line shows of an exception, and what it never shows."""

import json
import logging
from collections.abc import Callable, Iterator

import msgspec
import pytest
import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import AsyncAdaptedQueuePool

from app.core.logging import configure_logging
from app.core.settings import LogFormat, Settings
from app.postgres.pool import FairPool


class DriverError(Exception):
    sqlstate = "23505"


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Standard error of a process that logs as JSON; the test run's own logging comes back afterwards."""
    root = logging.getLogger()
    before = list(root.handlers), root.level
    configure_logging(msgspec.structs.replace(Settings(), log_format=LogFormat.JSON))
    yield lambda: capsys.readouterr().err
    root.handlers, root.level = before
    structlog.reset_defaults()


def test_driver_error_is_shown_by_type_and_sqlstate_alone(lines: Callable[[], str]) -> None:
    try:
        try:
            raise DriverError("Key (email)=(ann@example.com) already exists")
        except DriverError as exc:
            raise IntegrityError("INSERT INTO users VALUES (:a)", {"a": "hunter2"}, exc) from exc
    except IntegrityError as exc:
        structlog.stdlib.get_logger("t").error("failed", exc_info=exc)
    text = lines()
    entry = json.loads(text.splitlines()[0])
    assert entry["event"] == "failed"
    assert "sqlalchemy.exc.IntegrityError (SQLSTATE 23505)" in entry["exception"]
    assert "test_logging.py" in entry["exception"]
    for kept_out in ("INSERT", "hunter2"):
        assert kept_out not in text


def test_standard_library_records_take_the_same_way(lines: Callable[[], str]) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        logging.getLogger("some.library").info("Running upgrade %s", "a")
    (line,) = lines().splitlines()
    entry = json.loads(line)
    assert entry["event"] == "Running upgrade a"
    assert entry["request_id"] == "r-1"
    assert entry["level"] == "info"


def test_configuring_twice_logs_once(lines: Callable[[], str]) -> None:
    configure_logging(msgspec.structs.replace(Settings(), log_format=LogFormat.JSON))
    logging.getLogger("x").info("once")
    assert len(lines().splitlines()) == 1


def test_requests_are_logged_where_that_is_asked_for(lines: Callable[[], str]) -> None:
    requests = logging.getLogger("uvicorn.access")
    configure_logging(msgspec.structs.replace(Settings(), log_requests=False))
    # By which uvicorn decides whether it makes a record.
    assert not requests.hasHandlers()
    configure_logging(msgspec.structs.replace(Settings(), log_requests=True))
    requests.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:5000", "GET", "/api/v1/boards?search=secret", "1.1", 200)
    assert '"GET /api/v1/boards HTTP/1.1" 200' in lines()


def test_the_pool_is_as_quiet_as_all_of_sqlalchemy(lines: Callable[[], str]) -> None:
    configure_logging(msgspec.structs.replace(Settings(), log_level="DEBUG"))
    for pool in (AsyncAdaptedQueuePool, FairPool):
        assert not logging.getLogger(f"{pool.__module__}.{pool.__name__}").isEnabledFor(logging.INFO)
