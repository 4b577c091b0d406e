"""Take the old database over: check it, copy every table, compare what is stored with what was read."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from app.importing.mission_control.checking import (
    compare_ids,
    find_namesakes,
    find_notes,
    find_present,
    find_problems,
)
from app.importing.mission_control.copying import copy_rows
from app.importing.mission_control.findings import Finding, Report
from app.importing.mission_control.mapping import COPIES
from app.importing.mission_control.schema_check import compare_schema
from app.importing.mission_control.source import Source
from app.importing.mission_control.table_copy import TableCopy
from app.importing.mission_control.target import Target
from app.postgres.errors import MigrationFailedError

_COUNT = "SELECT count(*) FROM ({}) AS counted"
# With it the sum of the first 60 bits of the MD5 of each row as text: it needs neither an order nor memory.
_DIGEST = (
    "SELECT count(*), CAST(sum(CAST(CAST('x' || left(md5(CAST(compared AS text)), 15) AS bit(60)) AS bigint)) AS text)"
    " FROM ({}) AS compared"
)
_COUNTED = "SELECT CAST(coalesce(sum(tasks), 0) AS bigint) FROM task_counts WHERE {}"
Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]


class Importer:
    """The import of one snapshot of the old database into one transaction of ours. All methods raise DatabaseErrors."""

    def __init__(self, source: Source, target: Target) -> None:
        self._source = source
        self._target = target
        # The condition of what is new to our database, by table.
        self._new: dict[str, str] = {}
        self._rows: dict[str, int] = {}

    async def check(self, *, resume: bool) -> Report:
        """Return what can be taken over, and what prevents it; with `resume` what is there already does not."""
        report = Report(self._source.location)
        if not await self._target.begin():
            report.problems = [Finding(self._target.location, "another import into this database is under way")]
            return report
        report.problems, report.notes = await compare_schema(self._source)
        if report.problems:
            # The rules ask for what is missing.
            return report
        report.problems = [*await find_problems(self._source), *await find_namesakes(self._source, self._target)]
        for table in ("organizations", "users"):
            known = await compare_ids(self._source, self._target, table)
            self._new[table] = f"= ANY(CAST('{{{','.join(known.new)}}}' AS uuid[]))"
            if not resume:
                report.problems += find_present(table, known)
        report.notes += await find_notes(self._source)
        if not report.problems:
            for copy in COPIES:
                ((self._rows[copy.table],),) = await self._source.fetch(
                    _COUNT.format(self._new_rows(copy, copy.rows()))
                )
            report.rows = self._rows
        return report

    async def copy(self, progress: Progress) -> None:
        """Copy every table and compare. Raises MigrationFailedError where something else is stored than was read."""
        with progress(sum(self._rows.values())) as report:
            written = 0

            def advance(rows: int) -> None:
                nonlocal written
                written += rows
                report(written)

            for copy in COPIES:
                query = self._new_rows(copy, copy.rows())
                await copy_rows(self._source, query, self._target, copy.table, [*copy.columns], advance)
        await self._target.analyze([copy.table for copy in COPIES])
        for copy in COPIES:
            await self._compare(copy)
        await self._compare_counts()

    def _new_rows(self, copy: TableCopy, rows: str) -> str:
        by = "id" if copy.table in self._new else "organization_id"
        return f"SELECT * FROM ({rows}) AS held WHERE {by} {self._new.get(copy.table, self._new['organizations'])}"

    async def _compare(self, copy: TableCopy) -> None:
        (read,) = await self._source.fetch(_DIGEST.format(self._new_rows(copy, copy.rows())))
        (stored,) = await self._target.fetch(_DIGEST.format(self._new_rows(copy, copy.stored())))
        if stored != read:
            what = "other values" if stored[0] == read[0] else f"{stored[0]:,} rows instead of {read[0]:,}"
            raise MigrationFailedError(
                f"{copy.table} of {self._target.location} holds {what} than were read: a trigger or a rule of that"
                " database changes them. Nothing was taken over."
            )

    async def _compare_counts(self) -> None:
        ((counted,),) = await self._target.fetch(_COUNTED.format(f"organization_id {self._new['organizations']}"))
        if counted != (tasks := self._rows["tasks"]):
            raise MigrationFailedError(
                f"The triggers of {self._target.location} have counted {counted:,} of {tasks:,} tasks: `litestar"
                " database drift` tells of a trigger that is missing. Nothing was taken over."
            )
