"""Do the work of the project's `env.py`, whichever command started it: connect, lock, and run the revisions."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog
from alembic import context
from alembic.operations.ops import MigrationScript
from alembic.script.revision import MultipleHeads
from alembic.util import CommandError
from sqlalchemy import Connection

from ...postgres.connect import open_connection
from ...postgres.errors import MigrationFailedError
from ...postgres.exit_codes import errors_end_the_program
from ...postgres.settings_error import SettingsError
from ...postgres.url.database_url import DatabaseURL
from ..autogenerate.rename_answers import ANSWERS, RenameAnswers, RenameUnansweredError, ask_on_terminal
from ..closed_pipe import end_at_closed_pipe
from ..config import MigratorConfig
from ..locking.table_locks import limit_lock_waits
from ..log import log_through_logging
from ..revisions.alembic_config import (
    alembic_options,
    answer_config_request,
    handed_config,
    read_rename_answers,
    run_options_of,
)
from ..revisions.loading import check_revisions, copy_revisions, describe_several_heads, explain_alembic_error
from ..revisions.schema_state import require_versions
from ..signals import cancel_on_signals
from .executor import StepExecutor
from .printed_sql import PrintedScript

log = structlog.stdlib.get_logger(__name__)


def run_environment(project: MigratorConfig | Callable[[], MigratorConfig]) -> None:
    """Run the revisions in the database, or print their SQL on standard output and connect to nothing.

    `project` counts where the `alembic` command runs; the engine's own commands bring their configuration along.
    Raises SettingsError and DatabaseError; under the `alembic` command those are a message and an exit code.
    """
    log_through_logging()
    with _report_errors_under_alembic():
        _refuse_connection()
        handed = handed_config(context.config)
        config = handed or _with_alembic_ini(project() if callable(project) else project)
        if answer_config_request(context.config, config):
            return
        if handed:
            context.script.revision_map = copy_revisions(config)
        else:
            check_revisions(context.script, config.default_phase)
        if context.is_offline_mode():
            PrintedScript(config).print_script()
            return
        with config.open_database() as url:
            _migrate_with_answers(config, url)


def _migrate_with_answers(config: MigratorConfig, url: DatabaseURL) -> None:
    """Run the command, and again with the answers if something may have been renamed and there is a terminal."""
    answers = ANSWERS.get() or read_rename_answers(context.config)
    while True:
        try:
            asyncio.run(_migrate(config, url, answers))
        except RenameUnansweredError as exc:
            if not answers.asks:
                raise
            answers = ask_on_terminal(exc.pairs, answers)
            # Alembic adds what another run finds to what it has.
            for script in context.get_context().opts["revision_context"].generated_revisions:
                script.upgrade_ops, script.downgrade_ops = [], []
        else:
            return


def _refuse_connection() -> None:
    """Raise SettingsError if a program hands over a connection, which may be to another database."""
    if context.config.attributes.get("connection") is not None:
        raise SettingsError(
            "config.attributes['connection']",
            "is set, and the engine makes a connection of its own",
            "Leave it out, and say which database by `MigratorConfig(database=…)`.",
        )


def _with_alembic_ini(config: MigratorConfig) -> MigratorConfig:
    """Return the configuration with the file that Alembic has read."""
    named = (context.config.config_file_name, context.config.toml_file_name)
    read = [file for name in named if name and (file := Path(name)).is_file()]
    return replace(config, alembic_ini=read[0]) if read and config.alembic_ini is None else config


@contextmanager
def _report_errors_under_alembic() -> Iterator[None]:
    if _started_by_alembic():
        end_at_closed_pipe()
        # `current` writes to the stream that Alembic has kept since before the replacement.
        context.config.stdout = sys.stdout
    # The engine's own commands do it themselves.
    reporting = errors_end_the_program() if _started_by_alembic() else nullcontext()
    with reporting, _explain_several_heads():
        yield


@contextmanager
def _explain_several_heads() -> Iterator[None]:
    try:
        yield
    except CommandError as exc:
        if not isinstance(exc.__cause__, MultipleHeads):
            raise
        raise MigrationFailedError(explain_alembic_error(exc, context.script)) from exc


def _started_by_alembic() -> bool:
    return context.config.cmd_opts is not None


async def _migrate(config: MigratorConfig, url: DatabaseURL, answers: RenameAnswers) -> None:
    options = run_options_of(context.config)
    if options.canceller is not None:
        options.canceller.attach()
    with cancel_on_signals():
        async with open_connection(url, config.connect_timeout, f"{config.application} migrations") as connection:
            if _changes_the_schema():
                await StepExecutor(connection, config, options).execute()
            else:
                async with limit_lock_waits(connection, config.lock_timeout):
                    await connection.run_sync(_run_readonly_command, config, answers)


def _changes_the_schema() -> bool:
    """Return whether the command is upgrade, downgrade or stamp: only these have a destination.

    The other commands only read, except `alembic ensure_version`, whose empty version table harms nobody.
    """
    try:
        context.get_revision_argument()
    except KeyError:
        return False
    return True


def _run_readonly_command(connection: Connection, config: MigratorConfig, answers: RenameAnswers) -> None:
    # Imported here because neither an upgrade nor a start needs it.
    from ..autogenerate.comparison import COMPARISON  # noqa: PLC0415

    require_versions(connection, context.script, config.metadata)
    context.configure(
        connection=connection,
        target_metadata=config.metadata,
        render_item=config.render_item,
        process_revision_directives=partial(_change_directives, config.process_revision_directives),
        autogenerate_plugins=[COMPARISON],
        # For the comparison.
        migrator=config,
        rename_answers=answers,
        **alembic_options(),
    )
    several = describe_several_heads(context.script) if _autogenerates() else None
    if several:
        raise MigrationFailedError(f"Nothing was compared: {several}.")
    with context.begin_transaction():
        context.run_migrations()


def _autogenerates() -> bool:
    """Return whether the command compares the models: `check`, or `revision --autogenerate`."""
    revision = context.get_context().opts.get("revision_context")
    return revision is not None and bool(revision.command_args["autogenerate"])


def _change_directives(
    projects: Callable[..., None] | None, migration: object, revision: object, directives: list[MigrationScript]
) -> None:
    """Call the project's hook, and have a generation write as many revisions as it takes: none for nothing."""
    # Imported here because neither an upgrade nor a start needs it.
    from ..autogenerate.directives import split_into_revisions  # noqa: PLC0415

    if projects is not None:
        projects(migration, revision, directives)
    quietly = run_options_of(context.config).skips_empty
    autogenerate = quietly or getattr(context.config.cmd_opts, "autogenerate", False)
    upgrades = directives[0].upgrade_ops if autogenerate and directives else None
    if upgrades is not None and upgrades.is_empty():
        directives.clear()
        if not quietly:
            log.info("the models and the database are alike: no revision was made")
    split_into_revisions(directives, context.script)
