"""The SQL of a revision, known by running its functions where they reach no database."""

import io
import logging
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, NoReturn, cast

from alembic import context as alembic_context
from alembic.ddl.impl import DefaultImpl
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy import text
from sqlalchemy.engine.mock import MockConnection
from sqlalchemy.exc import NoInspectionAvailable

from ..locking.alembic_lock import ALEMBIC_LOCK
from ..own_connections import own_connections_refused
from .effect import Effect
from .reader import read_sql

Direction = Literal["upgrade", "downgrade"]
# Where `op.execute` goes through, and no other operation.
_EXECUTE = DefaultImpl.execute.__code__
# Mistakes in the revision's own code, whose text names no more than that.
_TOLD = frozenset({"NameError", "AttributeError", "ImportError", "ModuleNotFoundError", "TypeError"})


@dataclass(frozen=True)
class OfflineRun:
    """What a revision would run: `sql`, or None where it wants to look at the database.

    `marks` are pairs of lines, each counted from 1: where a statement begins in `sql`, and the line of the revision's
    file that runs it. Without `sql` there is one pair, whose second is the line that failed. `statements` are the texts
    before that, or all: each with whether it is the revision's own (`op.execute`), and not an operation's. `checked`
    are the lines of `sql` where a statement begins that runs only if what it makes or drops is not there, or is.
    `reason` says why there is no `sql`.
    """

    sql: str | None
    marks: tuple[tuple[int, int], ...] = ()
    statements: tuple[tuple[str, bool], ...] = ()
    checked: tuple[int, ...] = ()
    reason: str = ""

    def file_line(self, sql_line: int = 1) -> int | None:
        """Return the line of the revision's file that runs what stands in this line of the SQL."""
        position = bisect_right(self.marks, sql_line, key=lambda mark: mark[0])
        return self.marks[position - 1][1] if position else None


def offline_sql(script: Script, direction: Direction = "upgrade") -> str | None:
    """Return the revision's SQL; None if it cannot be run offline because it wants to look at the database."""
    return run_offline(script, direction).sql


def run_offline(script: Script, direction: Direction = "upgrade") -> OfflineRun:
    """Run a function of the revision as if there were a database, and return what it would send there.

    A revision that asks whether it runs offline is told that it does not: what a database will run is what counts.
    """
    output = _Output(script.module)
    with ALEMBIC_LOCK, _without_log():
        context = MigrationContext.configure(
            dialect_name="postgresql",
            # Otherwise a % is written twice, as a driver wants it.
            dialect_opts={"paramstyle": "named"},
            opts={"as_sql": True, "literal_binds": True, "output_buffer": output},
        )
    # Alembic has read the option by now, and chooses the classes itself.
    context.opts["as_sql"] = False
    context.__class__, context.impl.__class__ = _Context, _Impl
    # With a database there is one.
    context.environment_context = cast("EnvironmentContext", _Unknown())
    assert context.connection is not None
    context.connection.__class__ = _connection_class(output)
    try:
        # Standard output is the command's: JSON, or SQL.
        with (
            ALEMBIC_LOCK,
            own_connections_refused(),
            _environment(context),
            Operations.context(context),
            redirect_stdout(sys.stderr),
        ):
            getattr(script.module, direction)()
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - whatever a maintainer's revision raises, the answer is the same
        line = failed_line(exc, script.module)
        return OfflineRun(None, () if line is None else ((1, line),), tuple(output.statements), reason=reason_of(exc))
    return OfflineRun(output.getvalue(), tuple(output.marks), tuple(output.statements), tuple(output.checked))


@contextmanager
def _without_log() -> Iterator[None]:
    """Keep Alembic from telling of SQL that it generates: nobody has asked for any."""
    logger = logging.getLogger(MigrationContext.__module__)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@contextmanager
def _environment(context: MigrationContext) -> Iterator[None]:
    """Make `from alembic import context` this one, whose revision runs with a database."""
    outer = getattr(alembic_context, "_proxy", None)
    environment = EnvironmentContext(_Unknown(), _Unknown())  # type: ignore[arg-type]
    environment._migration_context = context  # noqa: SLF001
    environment.is_offline_mode = lambda: False  # type: ignore[method-assign]
    try:
        with environment:
            yield
    finally:
        if outer is not None:
            # An upgrade reads revisions, too, and goes on with its own.
            outer.__enter__()


def effects_of(revisions: Iterable[Script], direction: Direction = "upgrade") -> tuple[Effect, ...] | None:
    """Return what these revisions do, in their order; None if one of them cannot be run offline."""
    found: list[Effect] = []
    for script in revisions:
        sql = offline_sql(script, direction)
        if sql is None:
            return None
        found.extend(read_sql(sql))
    return tuple(found)


class _Hidden:
    """Says that there is a database, except to Alembic itself."""

    @property
    def as_sql(self) -> bool:
        asking = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001
        return bool(vars(self)["as_sql"]) and asking.startswith("alembic.")


class _Context(_Hidden, MigrationContext):  # type: ignore[override]
    pass


class _Impl(_Hidden, PostgresqlImpl):  # type: ignore[override]
    pass


def _connection_class(output: "_Output") -> Any:  # noqa: ANN401 - in the place of another class
    """Return the class of what `op.get_bind()` returns."""

    class Connection(MockConnection):
        def execute(self, *arguments: Any, **options: Any) -> "_Unknown":  # noqa: ANN401 - SQLAlchemy's own
            super().execute(*arguments, **options)
            return _Unknown()

        def exec_driver_sql(self, statement: str, parameters: Any = None) -> "_Unknown":  # noqa: ANN401 - SQLAlchemy's own
            if parameters:
                raise _UnknownError("how the driver writes parameters is not known without a database")
            # To a driver, unlike to text(), a colon is nothing special.
            return self.execute(text(statement.replace(":", r"\:")))

        def _run_ddl_visitor(self, visitorcallable: Any, element: Any, **kwargs: Any) -> None:  # noqa: ANN401
            if kwargs.get("checkfirst"):
                output.checked.append(output.line)
            super()._run_ddl_visitor(visitorcallable, element, **kwargs)

    return Connection


class _UnknownError(LookupError):
    """Something is asked that only a database knows."""


class _Unknown:
    """What is not known without a database, such as the rows of a query: whoever looks at it fails."""

    def __getattribute__(self, name: str) -> Any:  # noqa: ANN401 - whatever is asked
        if name == "__class__":
            return object.__getattribute__(self, name)
        raise _UnknownError(f"{name} is not known without a database")

    def __bool__(self) -> bool:
        raise _UnknownError("whether there is something is not known without a database")

    def __iter__(self) -> NoReturn:
        raise _UnknownError("what there is is not known without a database")


class _Output(io.StringIO):
    """Keeps the statements, and which line of the revision's file wrote each."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__()
        self.checked: list[int] = []
        self.marks: list[tuple[int, int]] = []
        self.statements: list[tuple[str, bool]] = []
        self._file = getattr(module, "__file__", None)
        self.line = 1

    def write(self, text: str) -> int:
        frame = sys._getframe(1)  # noqa: SLF001
        is_own = False
        while frame and frame.f_code.co_filename != self._file:
            is_own = is_own or frame.f_code is _EXECUTE
            frame = frame.f_back  # type: ignore[assignment]
        self.statements.append((text, is_own))
        if frame:
            self.marks.append((self.line, frame.f_lineno))
        self.line += text.count("\n")
        return super().write(text)


def failed_line(exc: BaseException, module: ModuleType) -> int | None:
    """Return the last line of the revision's file that led to the exception."""
    found: int | None = None
    trace = exc.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == getattr(module, "__file__", None):
            found = trace.tb_lineno
        trace = trace.tb_next
    return found


def reason_of(exc: BaseException) -> str:
    """Return why a revision did not come to its end, without what may be data or SQL."""
    if isinstance(exc, NoInspectionAvailable):
        return "it inspects the schema of the database"
    if isinstance(exc, AttributeError) and isinstance(exc.obj, MockConnection):
        return f"it needs {exc.name}() of a connection"
    kind = type(exc).__name__
    # What a revision has raised by itself may say anything.
    return str(exc) if isinstance(exc, _UnknownError) else f"{kind}: {exc}" if kind in _TOLD else kind
