"""The dashboard."""

from typing import Literal
from uuid import UUID

import msgspec

from app.schemas.fields import Moment

RangeKey = Literal["24h", "3d", "7d", "14d", "1m", "3m", "6m", "1y"]
Bucket = Literal["hour", "day", "week", "month"]


class DashboardSeriesPoint(msgspec.Struct, kw_only=True):
    """`period` is where the bucket begins, in UTC."""

    period: Moment
    value: float


class DashboardRangeSeries(msgspec.Struct, kw_only=True):
    range: RangeKey
    bucket: Bucket
    points: list[DashboardSeriesPoint]


class DashboardSeriesSet(msgspec.Struct, kw_only=True):
    """`comparison` is the time of the same length before it."""

    primary: DashboardRangeSeries
    comparison: DashboardRangeSeries


class DashboardWipPoint(msgspec.Struct, kw_only=True):
    """How many of today's tasks had each status when the bucket ended."""

    period: Moment
    inbox: int
    in_progress: int
    review: int
    done: int


class DashboardWipRangeSeries(msgspec.Struct, kw_only=True):
    range: RangeKey
    bucket: Bucket
    points: list[DashboardWipPoint]


class DashboardWipSeriesSet(msgspec.Struct, kw_only=True):
    primary: DashboardWipRangeSeries
    comparison: DashboardWipRangeSeries


class DashboardKpis(msgspec.Struct, kw_only=True):
    """`active_agents` have been heard of in the last ten minutes. `error_rate_pct` is that of the whole range.

    `median_cycle_time_hours_7d` is from the start of work to done, of what was done in the last seven days.
    """

    active_agents: int
    tasks_in_progress: int
    inbox_tasks: int
    in_progress_tasks: int
    review_tasks: int
    done_tasks: int
    error_rate_pct: float
    median_cycle_time_hours_7d: float | None


class DashboardPendingApproval(msgspec.Struct, kw_only=True):
    """`task_title` is that of the first task that it names."""

    approval_id: UUID
    board_id: UUID
    board_name: str
    action_type: str
    confidence: float
    created_at: Moment
    task_title: str | None


class DashboardPendingApprovals(msgspec.Struct, kw_only=True):
    """`items` are the ones that have waited the longest; `total` counts all."""

    total: int
    items: list[DashboardPendingApproval]


class DashboardMetrics(msgspec.Struct, kw_only=True):
    """`throughput`: tasks done. `cycle_time`: mean hours from the start of work to done.

    `error_rate`: of what was reviewed or decided on, the percentage that was sent back or rejected.
    """

    range: RangeKey
    generated_at: Moment
    kpis: DashboardKpis
    throughput: DashboardSeriesSet
    cycle_time: DashboardSeriesSet
    error_rate: DashboardSeriesSet
    wip: DashboardWipSeriesSet
    pending_approvals: DashboardPendingApprovals
