"""Metrics of the process and of the schema, in Prometheus' text format."""

from typing import Any

from litestar import MediaType, Request, get
from litestar.response import Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from app.api.http.request_metrics import PROBE
from app.api.http.schema_metrics import BackfillCollector, MigrationCollector, PartitionCollector, SchemaCollector
from app.api.http.worker_metrics import Collected, WorkerMetrics
from app.db.plugin import DatabasePlugin
from app.db.readiness import DatabaseNotReadyError


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
    registry.register(Collected(await request.app.plugins.get(WorkerMetrics).collect()))
    registry.register(SchemaCollector(state, readiness.heads))
    if state is not None:
        observed = await database.observer.read()
        registry.register(MigrationCollector(observed.under_way))
        registry.register(PartitionCollector(observed.partitions))
        registry.register(BackfillCollector(readiness.backfills))
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
