"""Linting revisions: our rules and squawk's over the SQL that each would run, without what the files suppress."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection

from ...postgres.errors import DatabaseError
from ...postgres.url.database_url import DatabaseURL
from ..branch.base_models import BaseModels, read_base_models
from ..branch.changes import BranchChanges, read_changes
from ..command_names import command
from ..config import MigratorConfig
from ..readonly_connection import with_readonly_connection
from ..revisions.baselines import is_baseline, outdated_baselines
from ..revisions.edited import find_edited
from ..revisions.history import read_history
from ..revisions.ids import LONGEST, REMEDY, Fault, find_id_faults, find_long_ids, widens_version_table
from ..revisions.loading import join_heads, load_revisions, oldest_first, open_revisions
from ..revisions.schema_state import read_state
from ..revisions.version_table import longest_id
from ..sql.effect import Kind
from ..sql.tokens import Statement
from . import squawk, suppressions
from .finding import READ_ON, Finding, Report, line_of_name
from .known_schema import KnownSchema, ParsedRevision, parse_revisions
from .overruled import is_overruled
from .project import Project
from .rules import BASE_RULES, PROJECT_RULES, RULES, SOMETIMES_FOUND
from .suppressions import read_accepted, read_suppressions

# Linting does not wait long for a database that is not up.
_CONNECT_TIMEOUT = 3.0
_SHOWN = 100
_TRANSACTION = frozenset({"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT"})


class UnknownRevisionError(DatabaseError):
    """A revision that somebody named is not among the files."""

    exit_code = 2


@dataclass(frozen=True)
class _Database:
    """The revisions that a database lacks (None: not known), those that it has run from other files, and its limit."""

    pending: frozenset[str] | None = None
    edited: tuple[Script, ...] = ()
    longest_id: int = LONGEST
    note: str | None = None


def lint(config: MigratorConfig, named: Sequence[str] = (), *, every: bool = False, base: str | None = None) -> Report:
    """Return what is wrong with the revisions `named`: ids, files, or ranges `a:b`, which an upgrade to b would run.

    With none named, it lints those that the configured database has not applied; without a database, or with `every`,
    all. With `base`, a branch, it lints those that are new against it. It starts no database. Raises
    UnknownRevisionError, GitError, SquawkError and MigrationFailedError.
    """
    # Of files with such ids Alembic refuses some, and silently leaves out others.
    if faults := find_id_faults(open_revisions(config)):
        return _report_faults(faults)
    directory = load_revisions(config)
    revisions = oldest_first(directory)
    chosen = _named(directory, named)
    changes = None if base is None else read_changes(directory, base)
    # The base says what is new, whatever some database has.
    database = _read_database(config if changes is None else replace(config, database=None), directory)
    if faults := find_long_ids(directory, database.longest_id):
        return _report_faults(faults)
    if changes is not None:
        chosen = {script.revision for script in changes.new}
    elif not named:
        known = {script.revision for script in revisions}
        chosen = known if every or database.pending is None else set(database.pending)
    # A baseline runs in an empty database alone, where nothing is in anybody's way.
    chosen = {name for name in chosen if not is_baseline(directory.get_revision(name))}
    every_parsed = tuple(parse_revisions(revisions))
    parsed = [revision for revision in every_parsed if revision.script.revision in chosen]
    models = _base_models(config, changes, parsed)
    pending = (database.pending or frozenset()) if changes is None else chosen
    project = Project(directory, config.metadata, every_parsed, pending, base or "", models.columns)
    accepted = read_accepted(Path(directory.dir))
    findings = [
        *_findings_on_all(directory, database),
        *_edited_since(changes),
        *_unknown_accepted(Path(directory.dir), set(accepted) - {script.revision for script in revisions}),
        *findings_on_each(parsed, accepted, project),
    ]
    linted = tuple(revision.script.revision for revision in parsed)
    return Report(linted, tuple(findings), database.note or models.note)


def _base_models(
    config: MigratorConfig, changes: BranchChanges | None, revisions: Iterable[ParsedRevision]
) -> BaseModels:
    """Return the models of the base, if a revision drops something: to load them takes a process of its own."""
    drops = {Kind.DROP_TABLE, Kind.DROP_COLUMN}
    if changes is None or not any(any(revision.changes_of_old_tables(drops)) for revision in revisions):
        return BaseModels(None)
    return read_base_models(config, changes)


def _report_faults(faults: Iterable[Fault]) -> Report:
    return Report((), tuple(_id_finding(fault) for fault in faults), "The revisions were not read beyond their ids.")


def _named(directory: ScriptDirectory, names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for name in names:
        try:
            found.update(script.revision for script in _scripts(directory, name) if script)
        except (CommandError, RevisionError) as exc:
            raise UnknownRevisionError(f"{name}: {exc}. `{command('history')}` lists the revisions.") from exc
    return found


def _scripts(directory: ScriptDirectory, name: str) -> Iterable[Script]:
    if name.endswith(".py") and (file := Path(name).resolve()).is_file():
        return _scripts_in(directory, file)
    lower, colon, upper = name.partition(":")
    if colon:
        return directory.iterate_revisions(upper or "heads", lower or "base")
    return directory.get_revisions(name or "an empty name")


def _scripts_in(directory: ScriptDirectory, file: Path) -> list[Script]:
    found = [script for script in directory.walk_revisions() if Path(script.path).resolve() == file]
    if not found:
        raise UnknownRevisionError(f"{file} is no revision of this project.")
    return found


def _read_database(config: MigratorConfig, directory: ScriptDirectory) -> _Database:
    files = [Path(script.path) for script in directory.walk_revisions()]
    longest = sys.maxsize if widens_version_table(files) else LONGEST
    if not config.names_database:
        return _Database(longest_id=longest)

    def read(connection: Connection, url: DatabaseURL) -> _Database:  # noqa: ARG001 - passed by with_readonly_connection
        state = read_state(connection, directory, config.metadata)
        return _Database(
            pending=None if state.unknown else frozenset(script.revision for script in state.pending),
            edited=tuple(find_edited(directory, directory.walk_revisions(), read_history(connection))),
            longest_id=max(longest, longest_id(connection)),
        )

    patience = min(config.connect_timeout, _CONNECT_TIMEOUT)
    try:
        return with_readonly_connection(replace(config, connect_timeout=patience), read)
    except DatabaseError as exc:
        return _Database(
            longest_id=longest, note=f"{exc} So what is pending is not known, and edited-after-applied not checked."
        )


def _findings_on_all(directory: ScriptDirectory, database: _Database) -> Iterator[Finding]:
    heads = directory.get_heads()
    if len(heads) > 1:
        message = f"there are {len(heads)} heads ({', '.join(heads)}): an upgrade to head does not know which is meant"
        yield Finding(None, None, "several-heads", None, None, message, f"Join them: `{join_heads()}`.")
    for baseline, changed in outdated_baselines(directory):
        message = f"revisions that it replaces have changed, have come or have gone since: {', '.join(changed)}"
        rewrite = f"Put them back as they were, or delete it and write it again: `{command('squash')}`."
        yield Finding(baseline.revision, baseline.path, "outdated-baseline", None, None, message, rewrite, 1)
    for script in database.edited:
        yield Finding(
            script.revision,
            script.path,
            "edited-after-applied",
            None,
            None,
            "the database has run another file under this revision, and will not run this one",
            "Put the file back as it was, and say what is new in a revision of its own.",
            1,
        )


def _edited_since(changes: BranchChanges | None) -> Iterator[Finding]:
    if changes is None:
        return
    message = f"{changes.base} has another file under this revision, which may have been applied"
    rewrite = "Put the file back as it was, and say what is new in a revision of its own."
    for script in changes.edited:
        yield Finding(script.revision, script.path, "edited-after-applied", None, None, message, rewrite, 1)


def _id_finding(fault: Fault) -> Finding:
    message = f"its id {fault.revision!r} {fault.what}"
    line = line_of_name(fault.path, "revision")
    return Finding(fault.revision, str(fault.path), "revision-id", None, None, message, REMEDY, line)


def _unknown_accepted(folder: Path, unknown: Iterable[str]) -> Iterator[Finding]:
    for revision in sorted(unknown):
        message = f"there is no revision {revision!r}, which {suppressions.ACCEPTED} names"
        file = str(folder / suppressions.ACCEPTED)
        yield Finding(None, file, suppressions.RULE, None, None, message, "Correct the name, or remove it.", 1)


def findings_on_each(
    revisions: Sequence[ParsedRevision], accepted: Mapping[str, object], project: Project | None = None
) -> Iterator[Finding]:
    """Yield what is wrong with each revision; without the project, nothing that takes more than the revision."""
    complaints = squawk.complaints(revisions)
    for revision in revisions:
        found = [
            *_own_findings(revision, project),
            *_squawk_findings(revision, complaints[revision.script.revision]),
            *_nesting_findings(revision, complaints[revision.script.revision]),
        ]
        ignored = read_suppressions(revision.script, accepted)
        yield from sorted(
            (finding for finding in found if finding.rule not in ignored.reasons), key=lambda each: each.line or 0
        )
        unchecked = SOMETIMES_FOUND if project and project.base_columns is not None else SOMETIMES_FOUND | BASE_RULES
        for misuse in ignored.misuses({finding.rule for finding in found}, _is_rule, unchecked):
            line = line_of_name(revision.script.path, suppressions.NAME)
            yield _finding(revision, suppressions.RULE, None, None, misuse.message, misuse.rewrite, line)


def _is_rule(name: str) -> bool:
    return name in RULES or name in PROJECT_RULES or squawk.is_rule(name)


def _own_findings(revision: ParsedRevision, project: Project | None) -> Iterator[Finding]:
    hits = [(rule, check(revision)) for rule, check in RULES.items()]
    if project is not None:
        hits += [(rule, beyond(revision, project)) for rule, beyond in PROJECT_RULES.items()]
    for rule, found in hits:
        for hit in found:
            line = hit.statement.line if hit.statement else None
            yield _finding(revision, rule, line, hit.statement, hit.message, hit.rewrite)


def _squawk_findings(revision: ParsedRevision, complaints: Iterable[squawk.Complaint]) -> Iterator[Finding]:
    for each in complaints:
        if each.rule_name == squawk.NESTING:
            continue
        statements = zip(revision.statements, revision.before, strict=True)
        statement, before = next(
            (pair for pair in reversed([*statements]) if pair[0].line <= each.line), (None, KnownSchema())
        )
        if statement and is_overruled(each.rule_name, statement, before):
            continue
        rewrite = each.help or _rewrite_of(each.rule_name)
        yield _finding(revision, each.rule_name, each.line, statement, each.message.replace("\n", " "), rewrite)


def _nesting_findings(revision: ParsedRevision, complaints: Iterable[squawk.Complaint]) -> Iterator[Finding]:
    """Yield one finding, at the first BEGIN or COMMIT: squawk complains of what comes out uneven at the end."""
    if not any(each.rule_name == squawk.NESTING for each in complaints):
        return
    ends = (each for each in revision.statements if each.words and each.words[0].keyword in _TRANSACTION)
    statement = next(ends, None)
    line = statement.line if statement else None
    message = "it begins or ends a transaction, but each revision runs in one already, and none may end that"
    rewrite = (
        "Leave it out. What cannot run in a transaction: `with op.get_context().autocommit_block():`, as the first"
        " thing of a revision of its own."
    )
    yield _finding(revision, squawk.NESTING, line, statement, message, rewrite)


def _rewrite_of(rule: str) -> str:
    if rule == squawk.SYNTAX_ERROR:
        return f"Correct the SQL: `{command('lint')} --explain {rule}` says what else it may be."
    return READ_ON.format(rule=rule)


def _finding(
    revision: ParsedRevision,
    rule: str,
    line: int | None,
    statement: Statement | None,
    message: str,
    rewrite: str,
    file_line: int | None = None,
) -> Finding:
    text = " ".join(statement.text.split()) if statement else None
    if text and len(text) > _SHOWN:
        text = text[: _SHOWN - 1] + "…"
    at = file_line or revision.offline.file_line(line or 1) or 1
    return Finding(revision.script.revision, revision.script.path, rule, line, text, message, rewrite, at)
