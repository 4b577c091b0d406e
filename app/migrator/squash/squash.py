"""Squash the revisions up to one of them into a baseline, and prove that it makes the same."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import unified_diff
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command as alembic_command
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, TextClause, text

from ...postgres.errors import MigrationFailedError
from ..backup.contents import revisions_of
from ..config import MigratorConfig
from ..drift.made_by_revisions import read_made_by
from ..engine_tables import engine_tables, version_table
from ..locking.alembic_lock import ALEMBIC_LOCK
from ..revisions.alembic_config import RunOptions, alembic_config
from ..revisions.baselines import FOLDER, changed_since, load_baseline
from ..revisions.loading import explain_alembic_error, load_revisions
from ..sql.offline import offline_sql
from ..sql.tokens import statements_of
from .dump import Entry, as_text, read_entries
from .render import BaselineFile, Made, make_sections, unqualified
from .scratch import ScratchDatabase, SquashRefusedError, scratch_database

# A dump of a database has none of these, and revisions that make them would not be needed any more.
_IN_NO_DUMP = re.compile(
    r"\b(?:CREATE|ALTER|DROP)\s+(?:ROLE|USER(?!\s+MAPPING)|GROUP|DATABASE|TABLESPACE|SYSTEM)\b|\bON\s+(?:DATABASE|ROLE)\b",
    re.IGNORECASE,
)
_SERVER = text("SELECT current_setting('server_version_num')::int / 10000")
_SHARED = re.compile(r"\b(?:EXTENSION|ACL|DEFAULT ACL)\b")
_ROLE = text("SELECT quote_ident(current_user)")
_SHOWN = 40


@dataclass(frozen=True)
class Squashed:
    """A baseline that was written; `rows` are the tables whose rows it has."""

    path: Path
    revision: str
    replaced: tuple[str, ...]
    rows: tuple[str, ...]


@dataclass(frozen=True)
class _Content:
    """What is in a database: its dump and that without what was there before, and the rows of its version table."""

    dumped: str
    entries: list[Entry]
    revisions: tuple[str, ...]


def squash(config: MigratorConfig, revision: str, *, with_rows: bool = False, scratch: str | None = None) -> Squashed:
    """Write the baseline of the revisions up to `revision`, and return it.

    Both are run in a database that is made for the moment, or the empty one of the URL `scratch`. `with_rows` puts the
    rows that the revisions insert into it, too. Raises SquashRefusedError where the baseline would not make the same,
    and what an upgrade raises. Do not call it in a thread that runs an event loop.
    """
    directory = load_revisions(config)
    replaced = _revisions_up_to(directory, revision)
    last = replaced[-1]
    path = Path(directory.dir) / FOLDER / f"{last.revision}_baseline.py"
    if path.exists():
        raise SquashRefusedError(f"{path} is there already: a baseline is not changed. Nothing was written.")
    _refuse_what_no_dump_has(replaced)
    with scratch_database(config, scratch) as database, TemporaryDirectory() as folder:
        work = _Squashing(database, directory, Path(folder))
        baseline, rows = work.write(replaced, config.release, with_rows=with_rows)
        path.parent.mkdir(exist_ok=True)
        path.write_text(baseline)
    return Squashed(path, last.revision, tuple(one.revision for one in replaced), rows)


def _revisions_up_to(directory: ScriptDirectory, revision: str) -> list[Script]:
    """Return the revisions that lead to this one, and itself, oldest first. Raises MigrationFailedError."""
    try:
        last = directory.get_revision(revision)
        found = list(directory.iterate_revisions(last.revision, "base"))[::-1] if last else []
    except (CommandError, RevisionError) as exc:
        raise MigrationFailedError(explain_alembic_error(exc, directory)) from exc
    if len(found) < 2:  # noqa: PLR2004 - one is as short as its baseline
        raise SquashRefusedError(f"There are not two revisions up to {revision!r}: there is nothing to squash.")
    return found


def _refuse_what_no_dump_has(revisions: Iterable[Script]) -> None:
    for script in revisions:
        sql = offline_sql(script)
        if found := _IN_NO_DUMP.search(Path(script.path).read_text() if sql is None else sql):
            raise SquashRefusedError(
                f"Revision {script.revision} ({script.path}) has `{' '.join(found[0].split())}`, which changes the"
                " server rather than the database: a baseline would lack it. Squash the revisions before it, or take"
                " it out into what prepares a server. Nothing was written."
            )


class _Squashing:
    """One squash in a scratch database; drafts of the baseline are in `folder`."""

    def __init__(self, database: ScratchDatabase, directory: ScriptDirectory, folder: Path) -> None:
        self._database = database
        self._directory = directory
        self._drafts = folder / "drafts"
        self._none = folder / "none"
        for each in (self._drafts, self._none):
            each.mkdir()
        database.empty()
        self._before = set(read_entries(database.dump()))

    def write(self, replaced: Sequence[Script], release: str, *, with_rows: bool) -> tuple[str, tuple[str, ...]]:
        """Return the baseline's content, which has proved to make the same, and the tables whose rows it has."""
        revision = replaced[-1].revision
        wanted = self._run(revision, self._none)
        rows = _tables_with_rows(wanted.entries)
        if rows and not with_rows:
            raise SquashRefusedError(
                f"The revisions insert rows into {', '.join(rows)}. Put them into the baseline (--with-rows), as they"
                " are now, or have something else insert them. Nothing was written."
            )
        role = str(self._database.run(_scalar, _ROLE))
        made = Made(make_sections(wanted.entries, self._database.schema, role), self._drops())
        server = str(self._database.run(_scalar, _SERVER))
        file = BaselineFile(replaced[-1], replaced, release, server, made)
        draft = self._draft(file)
        file = replace(file, made_by_sql=_made_by_sql(replaced, draft))
        draft = self._draft(file)
        self._prove(draft, wanted)
        return Path(draft.path).read_text(), rows

    def _draft(self, file: BaselineFile) -> Script:
        path = self._drafts / f"{file.last.revision}_baseline.py"
        path.write_text(file.render())
        return load_baseline(path)

    def _run(self, revision: str, baselines: Path) -> _Content:
        """Upgrade the emptied database with the baselines of this folder, and return what is in it then."""
        self._database.empty()
        config = alembic_config(self._database.config, RunOptions(baselines=baselines))
        try:
            with ALEMBIC_LOCK:
                alembic_command.upgrade(config, revision)
        except CommandError as exc:
            raise MigrationFailedError(explain_alembic_error(exc, self._directory)) from exc
        return self._content()

    def _content(self) -> _Content:
        dumped = self._database.dump()
        entries = [entry for entry in read_entries(dumped) if entry not in self._before]
        return _Content(dumped, entries, self._database.run(revisions_of))

    def _drops(self) -> list[str]:
        schema = self._database.schema
        kept = {schema, self._database.config.version_table_schema, version_table()}
        kept |= {f"{schema}.{name}" for name in engine_tables()}
        return [unqualified(one.drop, schema) for one in self._database.droppable() if one.name not in kept]

    def _prove(self, draft: Script, wanted: _Content) -> None:
        """Raise SquashRefusedError unless the baseline makes the same, and drops it again."""
        assert changed_since(self._directory, draft) == [], "an upgrade would leave it out"
        found = self._run(draft.revision, self._drafts)
        if found.revisions != wanted.revisions:
            raise SquashRefusedError(
                f"The revisions lead to {', '.join(wanted.revisions)}, and the baseline to"
                f" {', '.join(found.revisions)}. Nothing was written."
            )
        self._database.execute([each.text for each in statements_of(offline_sql(draft, "downgrade") or "")])
        # What concerns others, too, who may have had it before.
        left = [entry for entry in self._content().entries if not _SHARED.search(f"{entry.kind} {entry.name}")]
        _require_alike([], left, "After its downgrade there is still")
        if found.entries != wanted.entries:
            again, found_again = (read_entries(self._database.dump_again(one.dumped)) for one in (wanted, found))
            _require_alike(again, found_again, "The baseline does not make the same:")


def _made_by_sql(replaced: Sequence[Script], draft: Script) -> list[tuple[str, str]]:
    """Return what the revisions have made by SQL of their own, or may have, of what the baseline makes."""
    made = read_made_by(replaced)
    return sorted(key for key in read_made_by([draft]).made if made.made.get(key, bool(made.unreadable)))


def _tables_with_rows(entries: Iterable[Entry]) -> tuple[str, ...]:
    return tuple(entry.name for entry in entries if entry.kind == "TABLE DATA" and entry.sql)


def _require_alike(wanted: list[Entry], found: list[Entry], what: str) -> None:
    if wanted == found:
        return
    lines = [*unified_diff(as_text(wanted), as_text(found), "revisions", "baseline", lineterm="", n=1)]
    shown = "\n".join(lines[:_SHOWN]) + (f"\n… and {len(lines) - _SHOWN} lines more" if len(lines) > _SHOWN else "")
    raise SquashRefusedError(f"{what}\n{shown}\nNothing was written.")


def _scalar(connection: Connection, query: TextClause) -> object:
    return connection.scalar(query)
