"""The dashboard."""

from typing import Literal
from uuid import UUID

import msgspec

from app.schemas.shared_types import Moment

DashboardRangeKey = Literal["24h", "3d", "7d", "14d", "1m", "3m", "6m", "1y"]
DashboardBucket = Literal["hour", "day", "week", "month"]


class DashboardSeriesPoint(msgspec.Struct, kw_only=True):
    """A point. `period` is the beginning of its bucket, in UTC."""

    period: Moment
    value: float


class DashboardRangeSeries(msgspec.Struct, kw_only=True):
    range: DashboardRangeKey
    bucket: DashboardBucket
    points: list[DashboardSeriesPoint]


class DashboardSeriesSet(msgspec.Struct, kw_only=True):
    """A series, and the same series for the preceding time range (`comparison`)."""

    primary: DashboardRangeSeries
    comparison: DashboardRangeSeries


class DashboardWipPoint(msgspec.Struct, kw_only=True):
    """How many of the tasks that exist today had each status at the end of the bucket."""

    period: Moment
    inbox: int
    in_progress: int
    review: int
    done: int


class DashboardWipRangeSeries(msgspec.Struct, kw_only=True):
    range: DashboardRangeKey
    bucket: DashboardBucket
    points: list[DashboardWipPoint]


class DashboardWipSeriesSet(msgspec.Struct, kw_only=True):
    primary: DashboardWipRangeSeries
    comparison: DashboardWipRangeSeries


class DashboardKpis(msgspec.Struct, kw_only=True):
    """Key figures. `active_agents` have reported in the last ten minutes. `error_rate_pct` is of the whole range.

    `median_cycle_time_hours_7d` is the time from the start of work to done, of tasks done in the last seven days.
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
    """A pending approval. `task_title` is the title of its first task."""

    approval_id: UUID
    board_id: UUID
    board_name: str
    action_type: str
    confidence: float
    created_at: Moment
    task_title: str | None


class DashboardPendingApprovals(msgspec.Struct, kw_only=True):
    """Pending approvals. `items` has those that have waited the longest; `total` counts all of them."""

    total: int
    items: list[DashboardPendingApproval]


class DashboardMetrics(msgspec.Struct, kw_only=True):
    """The dashboard. `throughput` counts tasks done; `cycle_time` is the mean hours from the start of work to done.

    `error_rate` is the percentage of reviews and decisions that sent a task back or rejected an approval.
    """

    range: DashboardRangeKey
    generated_at: Moment
    kpis: DashboardKpis
    throughput: DashboardSeriesSet
    cycle_time: DashboardSeriesSet
    error_rate: DashboardSeriesSet
    wip: DashboardWipSeriesSet
    pending_approvals: DashboardPendingApprovals
