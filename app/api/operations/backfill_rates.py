"""How far each backfill is, how fast it goes, and how long it still takes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.api.operations.collector import Collector
from app.migrator.backfill.progress import Progress
from app.migrator.backfill.records import Record
from app.migrator.revisions.history import Outcome
from app.migrator.status import Status

# A run whose last batch is older is not said to have a speed.
_STALE = timedelta(seconds=30)
# The speed is that of this last time, or of all since the run was first seen.
_OVER = timedelta(seconds=30)


@dataclass(frozen=True)
class BackfillRow:
    """A backfill as the page shows it. The speed is None unless it is seen to run."""

    name: str
    state: str
    description: str
    rows_seen: int
    total: int
    share: float
    rows_per_second: float | None
    seconds_left: float | None
    last_batch_at: datetime | None
    retries: int
    error: str | None


class BackfillRates:
    """Remembers how far backfills were, to tell how fast they are."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._seen: dict[str, list[Record]] = {}

    def progress(self, record: Record) -> Progress | None:
        """Return the progress since it was seen before; None unless it has gone on meanwhile."""
        seen = self._seen.setdefault(record.name, [])
        if seen and record.rows_seen < seen[-1].rows_seen:
            seen.clear()
        if not seen or seen[-1].updated_at != record.updated_at:
            seen.append(record)
        while len(seen) > 2 and record.updated_at - seen[1].updated_at > _OVER:  # noqa: PLR2004 - two make a speed
            del seen[0]
        seconds = (record.updated_at - seen[0].updated_at).total_seconds()
        if not seconds or record.outcome is not Outcome.RUNNING or self._now() - record.updated_at > _STALE:
            return None
        return Progress.between(seen[0], record, record.outcome, seconds=seconds, retries=record.retries)


def read_backfills(collected: Collector, status: Status | None, rates: BackfillRates) -> list[BackfillRow]:
    """Return the backfills that are to be run, in their order, and then those that are done."""
    records: dict[str, Record] = {record.name: record for record in collected["records"].value or ()}
    waiting = {one.name: one for one in status.backfill_states} if status else {}
    rows = [
        _row(
            name,
            waiting[name].description,
            waiting[name].state.value,
            records.get(name),
            waiting[name].total or 0,
            rates,
        )
        for name in waiting
    ]
    rows += [
        _row(name, "", "paused" if record.is_paused else record.outcome.value, record, record.total, rates)
        for name, record in records.items()
        if name not in waiting
    ]
    return rows


def _row(
    name: str, description: str, state: str, record: Record | None, total: int, rates: BackfillRates
) -> BackfillRow:
    if record is None:
        return BackfillRow(name, state, description, 0, total, 0.0, None, None, None, 0, None)
    progress = rates.progress(record)
    if record.is_paused:
        state = "paused"
    elif record.outcome is not Outcome.RUNNING:
        state = record.outcome.value
    elif progress is not None:
        state = "running"
    is_done = record.outcome is Outcome.DONE
    return BackfillRow(
        name=name,
        state=state,
        description=description,
        rows_seen=record.rows_seen,
        total=record.total,
        share=1.0 if is_done else min(0.99, record.rows_seen / record.total) if record.total else 0.0,
        rows_per_second=progress.rows_per_second if progress else None,
        seconds_left=progress.seconds_left if progress else None,
        last_batch_at=record.updated_at,
        retries=record.retries,
        error=record.error,
    )
