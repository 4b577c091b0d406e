"""Print the script of `--sql`, with the guards of an online run in SQL: somebody else runs it, somewhere, some day.

The script takes the lock for its session. Every transaction begins with a check that the lock is held, and that the
database is at the revision from which the script goes on. So even if errors do not stop the script, it does nothing but
the statements outside of transactions, which can be repeated.
"""

from collections.abc import Callable, Collection, Iterable
from functools import wraps
from pathlib import Path
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationInfo, MigrationStep, RevisionStep
from alembic.script import Script
from alembic.util import CommandError

from ...postgres.errors import MigrationFailedError
from ..backfill.definition import load_backfills, required_backfills
from ..config import MigratorConfig
from ..own_connections import OwnConnectionError, own_connections_refused
from ..partitions.printed import call_maker, define_maker, partitioned_tables
from ..revisions import history_recording
from ..revisions.alembic_config import alembic_options, run_options_of
from ..revisions.ids import LONGEST, widens_version_table
from ..revisions.loading import explain_alembic_error
from ..revisions.requirements import requirements_of
from ..sql.offline import failed_line, reason_of
from ..sql.quoting import quote
from .baseline_steps import begin_with_baseline
from .concurrent_statements import index_built_concurrently, index_on_table, is_concurrent
from .partitioned_tables import match_key
from .planned_steps import planned_revisions, steps_up_to
from .printed_checks import (
    call_check,
    define_check,
    forget_backfills,
    release_lock,
    require_finished,
    require_true,
    require_valid,
    take_lock,
)
from .printed_partitions import build_as_sql, key_as_sql
from .session_limits import limits_as_sql

_HEADING = "-- In one session, not through a pooler: psql -X -v ON_ERROR_STOP=1 -f FILE"


class PrintedScript:
    """The steps of one command as SQL on standard output, from the revision that the command names."""

    def __init__(self, config: MigratorConfig) -> None:
        self._config = config
        self._heads: Collection[str] = ()
        self._built: list[str] = []
        self._baseline: Script | None = None

    def print_script(self) -> None:
        """Print the script. Raises MigrationFailedError, and prints nothing, where nothing is to be done."""
        self._configure()
        steps = self._steps()
        self._configure(fn=lambda heads, migration: steps)  # noqa: ARG005 - Alembic's
        impl = context.get_context().impl
        impl.static_output(_HEADING)
        self._print(*limits_as_sql(self._config), take_lock(), define_check())
        self._guard_statements()
        self._guard_transactions()
        context.run_migrations()
        if all(isinstance(step, RevisionStep) and step.is_upgrade for step in steps):
            self._print_partitions()
        self._print(release_lock())

    def _print_partitions(self) -> None:
        """Print what makes the missing partitions, each table's in a transaction of its own, as an upgrade ends."""
        tables = partitioned_tables(self._config.metadata)
        if tables:
            self._print(define_maker())
        impl = context.get_context().impl
        for table in tables:
            impl.emit_begin()
            self._print(call_maker(table))
            impl.emit_commit()

    def _steps(self) -> list[MigrationStep]:
        migration = context.get_context()
        if "" in {context.get_revision_argument(), context.get_starting_revision_argument()}:
            raise MigrationFailedError("The SQL of a range needs both of its ends: FROM:TO.")
        if migration.purge:
            raise MigrationFailedError("--purge asks the database for what it holds, and cannot be printed.")
        self._heads = migration.get_current_heads()
        try:
            every = list(migration.opts["fn"](self._heads, migration))
        except CommandError as exc:
            raise MigrationFailedError(explain_alembic_error(exc, context.script)) from exc
        revisions = planned_revisions(every)
        long = [script.revision for script in revisions if len(script.revision) > LONGEST]
        if long and not self._heads and not widens_version_table(Path(script.path) for script in revisions):
            raise MigrationFailedError(
                f"The id {long[0]} has {len(long[0])} characters, and the version table that the script makes holds"
                f" {LONGEST}."
            )
        if not every:
            raise MigrationFailedError(
                "Nothing leads from there to there: give the range FROM:TO in the direction of the command, such as"
                " FROM:base for a downgrade or a stamp to base."
            )
        if not self._heads:
            every = begin_with_baseline(context.script, every)
            self._baseline = next((script for script in planned_revisions(every) if script not in revisions), None)
        return list(self._with_checks(steps_up_to(every, run_options_of(context.config).phase)))

    def _configure(self, **options: Any) -> None:  # noqa: ANN401 - Alembic's
        context.configure(
            dialect_name="postgresql",
            target_metadata=self._config.metadata,
            literal_binds=True,
            dialect_opts={"paramstyle": "named"},
            on_version_apply=self._print_record,
            **alembic_options(),
            **options,
        )

    def _print(self, *statements: str) -> None:
        for statement in statements:
            # Not text(), where a colon would begin a parameter.
            context.get_context().impl.static_output(f"{statement};")

    def _guard_statements(self) -> None:
        """Lift the lock timeout for each CONCURRENTLY statement, and remember the indexes that the script builds."""
        impl = context.get_context().impl
        output = impl.static_output
        usual = limits_as_sql(self._config)[0]
        partitioned = {quote(table) for table in partitioned_tables(self._config.metadata)}

        def guarded(text: str) -> None:
            whole, key = index_on_table(text), match_key(text)
            if whole and whole.table in partitioned:
                self._built.append(whole.name)
                for each in build_as_sql(whole, usual):
                    output(each)
                return
            if key and key["table"] in partitioned and (sql := key_as_sql(text.rstrip().removesuffix(";"))):
                output(sql)
                return
            alone = is_concurrent(text)
            if alone:
                output("SET lock_timeout = '0';")
            output(text)
            if alone:
                output(f"{usual};")
            if index := index_built_concurrently(text):
                self._built.append(index)

        impl.static_output = guarded  # type: ignore[method-assign]

    def _guard_transactions(self) -> None:
        """Begin every transaction with the check, also those in the middle of a revision, after an autocommit block."""
        impl = context.get_context().impl
        begin = impl.emit_begin
        is_first, is_from_base = True, not self._heads

        def guarded() -> None:
            nonlocal is_first
            begin()
            self._print(call_check(self._heads, makes_table=is_first and is_from_base))
            if is_first:
                self._print(history_recording.create_table_as_sql())
            self._print(*(require_valid(index) for index in self._built))
            self._built.clear()
            is_first = False

        impl.emit_begin = guarded  # type: ignore[method-assign]

    def _with_checks(self, steps: Iterable[MigrationStep]) -> Iterable[MigrationStep]:
        known = load_backfills(context.script)
        for step in steps:
            if isinstance(step, RevisionStep):
                script, checks = step.revision, list[str]()
                if step.is_upgrade:
                    checks += [require_finished(script, known[name]) for name in required_backfills(script)]
                    checks += [require_true(script, requirement) for requirement in requirements_of(script)]
                step.migration_fn = self._checking(script, checks, step.migration_fn)
            yield step

    def _checking(self, script: Script, checks: Iterable[str], change: Callable[..., None]) -> Callable[..., None]:
        # Alembic writes the function's name into the script.
        @wraps(change)
        def guarded(**arguments: Any) -> None:  # noqa: ANN401 - Alembic's
            self._print(*checks)
            try:
                with own_connections_refused():
                    change(**arguments)
            except Exception as exc:
                raise _unprintable(script, exc) from exc

        return guarded

    # Alembic passes everything by name.
    def _print_record(self, ctx: Any, step: MigrationInfo, heads: Collection[Any], run_args: object) -> None:  # noqa: ANN401, ARG002
        stepped = history_recording.StampChange.between(context.script, self._heads, heads)
        names = ("unstamp", "stamp") if step.is_stamp else ("downgrade", "upgrade")
        if self._baseline and not self._heads:
            names = ("unstamp", "stamp")
            ctx.execute(history_recording.record_as_sql(self._baseline, "upgrade", self._config.release))
        for direction, scripts in zip(names, (stepped.out, stepped.into), strict=True):
            for script in scripts:
                ctx.execute(history_recording.record_as_sql(script, direction, self._config.release))
        self._print(*(forget_backfills(script) for script in stepped.out))
        self._heads = heads


def _unprintable(script: Script, exc: Exception) -> MigrationFailedError:
    reason = str(exc) if isinstance(exc, OwnConnectionError) else f"without a database it fails ({reason_of(exc)})"
    line = failed_line(exc, script.module)
    place = script.path if line is None else f"{script.path}, line {line}"
    return MigrationFailedError(
        f"Revision {script.revision} ({place}) cannot be printed: {reason}. The script is not whole."
    )
