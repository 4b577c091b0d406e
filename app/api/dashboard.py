"""The controller of the dashboard: /metrics/dashboard."""

from collections.abc import Callable, Sequence
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import provide_service
from app.api.openapi.errors import problems
from app.schemas.dashboard import (
    DashboardBucket,
    DashboardKpis,
    DashboardMetrics,
    DashboardPendingApproval,
    DashboardPendingApprovals,
    DashboardRangeKey,
    DashboardRangeSeries,
    DashboardSeriesPoint,
    DashboardSeriesSet,
    DashboardWipPoint,
    DashboardWipRangeSeries,
    DashboardWipSeriesSet,
)
from app.services.dashboard import BucketPoint, Dashboard, DashboardService


class DashboardController(Controller):
    path = "/metrics/dashboard"
    tags = ("metrics",)
    dependencies = provide_service(DashboardService)

    @get(
        operation_id="get_dashboard",
        summary="Read the dashboard: key figures, and how they developed",
        responses=problems(404),
    )
    async def read(
        self,
        service: NamedDependency[DashboardService],
        range_key: FromQuery[DashboardRangeKey] = "24h",
        board_id: FromQuery[UUID | None] = None,
        group_id: FromQuery[UUID | None] = None,
    ) -> DashboardMetrics:
        """Read the dashboard of all boards that you may read, of one board, or of the boards in a group."""
        return _read(range_key, await service.get(range_key, board_id, group_id))


def _read(key: DashboardRangeKey, found: Dashboard) -> DashboardMetrics:
    pending = [
        to_shape(
            DashboardPendingApproval,
            row.approval,
            approval_id=row.approval.id,
            board_name=row.board_name,
            task_title=row.task_title,
        )
        for row in found.pending
    ]
    return DashboardMetrics(
        range=key,
        generated_at=found.now,
        kpis=_kpis(found),
        throughput=_series(key, found, lambda point: point.done),
        cycle_time=_series(key, found, lambda point: point.cycle_hours),
        error_rate=_series(key, found, lambda point: point.error_rate_pct),
        wip=DashboardWipSeriesSet(
            primary=_wip(key, found.bucket, found.points), comparison=_wip(key, found.bucket, found.comparison)
        ),
        pending_approvals=DashboardPendingApprovals(total=found.pending_total, items=pending),
    )


def _kpis(found: Dashboard) -> DashboardKpis:
    counts = found.task_counts
    return DashboardKpis(
        active_agents=found.active_agents,
        tasks_in_progress=counts["in_progress"],
        inbox_tasks=counts["inbox"],
        in_progress_tasks=counts["in_progress"],
        review_tasks=counts["review"],
        done_tasks=counts["done"],
        error_rate_pct=found.error_rate_pct,
        median_cycle_time_hours_7d=found.median_cycle_hours,
    )


def _series(key: DashboardRangeKey, found: Dashboard, value: Callable[[BucketPoint], float]) -> DashboardSeriesSet:
    def of(points: Sequence[BucketPoint]) -> DashboardRangeSeries:
        shown = [DashboardSeriesPoint(period=point.period, value=value(point)) for point in points]
        return DashboardRangeSeries(range=key, bucket=found.bucket, points=shown)

    return DashboardSeriesSet(primary=of(found.points), comparison=of(found.comparison))


def _wip(key: DashboardRangeKey, bucket: DashboardBucket, points: Sequence[BucketPoint]) -> DashboardWipRangeSeries:
    shown = [DashboardWipPoint(period=point.period, **point.wip) for point in points]
    return DashboardWipRangeSeries(range=key, bucket=bucket, points=shown)
