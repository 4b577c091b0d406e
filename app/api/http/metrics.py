"""Metrics of the process and of the schema, in Prometheus' text format."""

from collections.abc import Iterable, Iterator
from typing import Any

from litestar import MediaType, Request, get
from litestar.response import Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric, StateSetMetricFamily

from app.api.http.request_metrics import PROBE, RequestMetrics
from app.db.plugin import DatabasePlugin
from app.db.readiness import DatabaseNotReadyError
from app.db.replicas.selection import Replicas
from app.migrator.backfill.records import Record
from app.migrator.revisions.history import Outcome
from app.migrator.revisions.schema_state import SchemaState


# Not in the OpenAPI document: it is for the operator's own network.
@get("/metrics", media_type=MediaType.TEXT, include_in_schema=False, opt={PROBE: True})
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    database = request.app.plugins.get(DatabasePlugin)
    readiness = database.readiness
    try:
        state = await readiness.read_state()
    except DatabaseNotReadyError:
        state = None
    registry = CollectorRegistry(auto_describe=False)
    registry.register(request.app.plugins.get(RequestMetrics))
    registry.register(_Schema(state, readiness.heads))
    if state is not None:
        registry.register(_Backfills(readiness.backfills))
    if database.replicas is not None:
        registry.register(_Replicas(database.replicas))
    return Response(
        generate_latest(REGISTRY) + generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )


class _Schema:
    """Collects the metrics of one state of the schema. The state is None if the database did not answer."""

    def __init__(self, state: SchemaState | None, heads: tuple[str, ...]) -> None:
        self._state = state
        self._heads = heads

    def collect(self) -> Iterator[Metric]:
        state = self._state
        yield GaugeMetricFamily("plimsoll_database_up", "Whether the database answers.", value=state is not None)
        if state is None:
            return
        revisions = {"current": ",".join(state.applied or ()), "head": ",".join(self._heads)}
        yield InfoMetricFamily("plimsoll_schema_revision", "The database's revision and this release's.", revisions)
        yield GaugeMetricFamily(
            "plimsoll_schema_pending_revisions", "Revisions that are not applied yet.", value=len(state.pending)
        )
        yield GaugeMetricFamily(
            "plimsoll_schema_serves_release",
            "Whether this release works on the schema.",
            value=not (state.is_behind or state.broken_by),
        )
        if (last := state.last_step) is None:
            return
        yield StateSetMetricFamily(
            "plimsoll_migration_last_outcome",
            "How the last step of a migration ended.",
            {outcome.value: outcome is last.outcome for outcome in Outcome},
        )
        yield GaugeMetricFamily(
            "plimsoll_migration_last_start_timestamp_seconds",
            "When the last step of a migration began.",
            value=last.started_at.timestamp(),
        )
        if last.duration is not None:
            yield GaugeMetricFamily(
                "plimsoll_migration_last_duration_seconds",
                "How long the last step of a migration took.",
                value=last.duration.total_seconds(),
            )


class _Backfills:
    """Collects how far each backfill is that was begun or paused."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = records

    def collect(self) -> Iterator[Metric]:
        state = StateSetMetricFamily("plimsoll_backfill_state", "How a backfill stands.", labels=["backfill"])
        seen = GaugeMetricFamily("plimsoll_backfill_rows_seen", "Rows that it has gone over.", labels=["backfill"])
        rows = GaugeMetricFamily("plimsoll_backfill_rows", "Rows that it goes over, estimated.", labels=["backfill"])
        last = GaugeMetricFamily(
            "plimsoll_backfill_last_batch_timestamp_seconds", "When its last batch ended.", labels=["backfill"]
        )
        for record in self._records:
            current = "paused" if record.is_paused else record.outcome.value
            state.add_metric([record.name], {name: name == current for name in (*Outcome, "paused")})
            seen.add_metric([record.name], record.rows_seen)
            rows.add_metric([record.name], record.total)
            last.add_metric([record.name], record.updated_at.timestamp())
        yield from (state, seen, rows, last)


class _Replicas:
    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas

    def collect(self) -> Iterator[Metric]:
        read = GaugeMetricFamily("plimsoll_replica_read", "Whether a replica is read.", labels=["replica"])
        lag = GaugeMetricFamily(
            "plimsoll_replica_lag_seconds",
            "How far a replica may be behind the primary, at most; +Inf where nobody can tell.",
            labels=["replica"],
        )
        for replica in self._replicas.all:
            read.add_metric([replica.name], replica.fault is None)
            lag.add_metric([replica.name], replica.lag)
        yield read
        yield lag
