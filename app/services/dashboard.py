"""The dashboard: the present, a range of time, and the time of the same length before it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from app.models import TaskStatus
from app.repositories.dashboard import BucketRow, DashboardRepository, DashboardScope, PendingRow
from app.services.agents import SILENT_AFTER
from app.services.base import Service
from app.services.board_groups import BoardGroupService
from app.services.boards import BoardService

BucketName = Literal["hour", "day", "week", "month"]
_MEDIAN_OF = timedelta(days=7)
_PENDING_SHOWN = 10
# Range -> its buckets, the present one included.
_RANGES: dict[str, tuple[BucketName, int]] = {
    "24h": ("hour", 24),
    "3d": ("day", 3),
    "7d": ("day", 7),
    "14d": ("day", 14),
    "1m": ("day", 30),
    "3m": ("week", 13),
    "6m": ("week", 26),
    "1y": ("month", 12),
}
_STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


class BucketPoint(NamedTuple):
    """One bucket of all series. Rates of nothing are 0; `wip` is how many tasks had each status at its end."""

    period: datetime
    done: int
    cycle_hours: float
    error_rate_pct: float
    wip: dict[str, int]


class Dashboard(NamedTuple):
    """`points` and `comparison` are oldest first, and as many."""

    now: datetime
    bucket: BucketName
    task_counts: dict[str, int]
    active_agents: int
    error_rate_pct: float
    median_cycle_hours: float | None
    points: Sequence[BucketPoint]
    comparison: Sequence[BucketPoint]
    pending_total: int
    pending: Sequence[PendingRow]


class DashboardService(Service):
    async def get(self, range_key: str, board_id: UUID | None, group_id: UUID | None) -> Dashboard:
        """Return the dashboard of the boards that the caller may read, of one board, or of those in a group.

        It takes a fixed number of statements. Raises NotFoundError.
        """
        if board_id is not None:
            await BoardService(self._session, self._caller).get(board_id)
        if group_id is not None:
            await BoardGroupService(self._session, self._caller).get(group_id)
        scope = DashboardScope(self._caller.access, board_id, group_id)
        return await self._dashboard(DashboardRepository(session=self._session, scope=scope), range_key)

    async def _dashboard(self, repository: DashboardRepository, range_key: str) -> Dashboard:
        now = datetime.now(UTC)
        bucket, count = _RANGES[range_key]
        periods = begins(bucket, 2 * count, now)
        counts = dict.fromkeys(map(str, TaskStatus), 0) | await repository.task_counts()
        rows = {row.period: row for row in await repository.buckets(bucket, periods[0])}
        points = _points(periods, rows, await repository.count_created(bucket, periods[0]), counts)
        recent = [rows[period] for period in periods[count:] if period in rows]
        total, pending = await repository.pending(_PENDING_SHOWN)
        return Dashboard(
            now=now,
            bucket=bucket,
            task_counts=counts,
            active_agents=await repository.count_active_agents(now - SILENT_AFTER),
            error_rate_pct=_percent(sum(row.bad for row in recent), sum(row.judged for row in recent)),
            median_cycle_hours=await repository.median_hours(now - _MEDIAN_OF),
            points=points[count:],
            comparison=points[:count],
            pending_total=total,
            pending=pending,
        )


def begins(bucket: str, count: int, now: datetime) -> list[datetime]:
    """Return where the last `count` buckets begin in UTC, oldest first; `now` is in the last. Weeks begin on Monday."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    if bucket == "month":
        months = [12 * day.year + day.month - 1 - back for back in reversed(range(count))]
        return [day.replace(year=month // 12, month=month % 12 + 1, day=1) for month in months]
    last = {"hour": hour, "day": day, "week": day - timedelta(days=day.weekday())}[bucket]
    return [last - back * _STEPS[bucket] for back in reversed(range(count))]


def _points(
    periods: Sequence[datetime], rows: dict[datetime, BucketRow], created: dict[datetime, int], counts: dict[str, int]
) -> list[BucketPoint]:
    """Count back from the present: before a bucket there was what there is after it, less what it brought."""
    points: list[BucketPoint] = []
    wip = counts
    for period in reversed(periods):
        row = rows.get(period) or BucketRow(period, 0, None, 0, 0, {})
        points.append(BucketPoint(period, row.done, float(row.hours or 0), _percent(row.bad, row.judged), wip))
        wip = {status: number - row.net.get(status, 0) for status, number in wip.items()}
        wip[TaskStatus.INBOX] -= created.get(period, 0)
    return points[::-1]


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
