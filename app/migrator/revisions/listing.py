"""The revisions of the files as documents for programs: what `history`, `heads`, `branches` and the like list."""

from collections.abc import Collection, Iterable
from typing import Annotated

import msgspec
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from ...postgres.url.database_url import DatabaseURL
from ..config import MigratorConfig
from ..phase import Phase
from ..readonly_connection import with_readonly_connection
from .loading import load_revisions, phase_of
from .schema_state import read_state


class RevisionFile(msgspec.Struct, frozen=True, kw_only=True):
    """A revision as its file has it."""

    revision: str
    revises: Annotated[tuple[str, ...], msgspec.Meta(description="The revisions that it follows; empty for the first.")]
    depends_on: tuple[str, ...]
    next: Annotated[tuple[str, ...], msgspec.Meta(description="The revisions that follow it.")]
    branch_labels: tuple[str, ...]
    phase: Phase
    message: Annotated[str, msgspec.Meta(description="The first paragraph of its documentation.")]
    documentation: str
    file: str
    is_head: bool
    is_branch_point: bool
    is_merge_point: bool
    is_current: Annotated[
        bool | None, msgspec.Meta(description="Whether the database is at it; null if the database was not asked.")
    ] = None


def read_history(
    config: MigratorConfig, rev_range: str | None = None, *, indicate_current: bool = False
) -> list[RevisionFile]:
    """Return the revisions, the newest first; `rev_range` is BASE:HEAD, where `current` is what the database has.

    Raises CommandError, MigrationFailedError and, where the database is asked, DatabaseUnreachableError.
    """
    base, separator, head = (rev_range or ":").strip().partition(":")
    if not separator:
        raise CommandError("History range requires [start]:[end], [start]:, or :[end]")
    directory = load_revisions(config)
    asks = indicate_current or "current" in {base, head}
    applied = _read_applied(config, directory) if asks else ()
    ends = [applied if end == "current" else end for end in (base or "base", head or "heads")]
    found = directory.walk_revisions(base=ends[0], head=ends[1])  # type: ignore[arg-type]  # as Alembic's `history`
    return describe(found, applied if asks else None)


def read_heads(config: MigratorConfig, *, resolve_dependencies: bool = False) -> list[RevisionFile]:
    """Return the heads; with `resolve_dependencies` without those that another head depends on."""
    directory = load_revisions(config)
    return describe(directory.get_revisions("heads" if resolve_dependencies else tuple(directory.get_heads())))


def read_branches(config: MigratorConfig) -> list[RevisionFile]:
    """Return the revisions that several others follow."""
    return describe(script for script in load_revisions(config).walk_revisions() if script.is_branch_point)


def read_current(config: MigratorConfig) -> list[RevisionFile]:
    """Return the revisions that the database is at. Raises CommandError for one that has no file."""
    directory = load_revisions(config)
    applied = _read_applied(config, directory)
    return describe(directory.get_all_current(applied), applied)


def read_revisions(config: MigratorConfig, name: str) -> list[RevisionFile]:
    """Return the revisions that `name` stands for; `current` is what the database has."""
    directory = load_revisions(config)
    if name == "current":
        return read_current(config)
    return describe(directory.get_revisions(name))


def describe(scripts: Iterable[Script | None], applied: Collection[str] | None = None) -> list[RevisionFile]:
    """Return the scripts as documents; `applied` is what the database is at, if it was asked."""
    return [_describe(script, applied) for script in scripts if script]


def _describe(script: Script, applied: Collection[str] | None) -> RevisionFile:
    return RevisionFile(
        revision=script.revision,
        revises=_sorted(script.down_revision or ()),
        depends_on=_sorted(script.dependencies or ()),
        next=_sorted(script.nextrev),
        branch_labels=_sorted(script.branch_labels),
        phase=phase_of(script),
        message=script.doc,
        documentation=script.longdoc,
        file=script.path,
        is_head=script.is_head,
        is_branch_point=script.is_branch_point,
        is_merge_point=script.is_merge_point,
        is_current=None if applied is None else script.revision in applied,
    )


def _sorted(names: str | Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(sorted(names))


def _read_applied(config: MigratorConfig, directory: ScriptDirectory) -> tuple[str, ...]:
    def read(connection: Connection, url: DatabaseURL) -> tuple[str, ...]:  # noqa: ARG001 - passed by with_readonly_connection
        return read_state(connection, directory, config.metadata).applied or ()

    return with_readonly_connection(config, read)
