"""The schema as Prometheus reads it: its revisions, the migration under way and the last one, backfills, partitions."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric, StateSetMetricFamily

from app.migrator.backfill.records import Record
from app.migrator.partitions.state import PartitionState
from app.migrator.revisions.history import Outcome
from app.migrator.revisions.schema_state import SchemaState
from app.migrator.under_way import StepUnderWay


class SchemaCollector:
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
        yield GaugeMetricFamily(
            "plimsoll_migration_last_retries",
            "How often the last step of a migration found a table in use.",
            value=last.retries,
        )
        if last.duration is not None:
            yield GaugeMetricFamily(
                "plimsoll_migration_last_duration_seconds",
                "How long the last step of a migration took.",
                value=last.duration.total_seconds(),
            )


class BackfillCollector:
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


class MigrationCollector:
    """Collects the metrics of the step of a migration that is under way; those with its labels only if there is one."""

    def __init__(self, step: StepUnderWay | None) -> None:
        self._step = step

    def collect(self) -> Iterator[Metric]:
        labels = ("revision", "phase", "direction")
        running = GaugeMetricFamily(
            "plimsoll_migration_running", "1 for the step of a migration that is under way.", labels=labels
        )
        seconds = GaugeMetricFamily(
            "plimsoll_migration_running_seconds", "How long the step under way has taken.", labels=labels
        )
        retries = GaugeMetricFamily(
            "plimsoll_migration_running_retries",
            "How often the step under way has found a table in use and tried again.",
            labels=labels,
        )
        step = self._step
        if step is not None:
            values = (step.revision, step.phase, step.direction)
            running.add_metric(values, 1)
            seconds.add_metric(values, step.seconds)
            retries.add_metric(values, step.retries)
        yield from (running, seconds, retries)
        yield GaugeMetricFamily(
            "plimsoll_migration_lock_wait_seconds",
            "How long the step under way has waited for a table that is in use; 0 if it does not wait.",
            value=(step and step.lock_wait) or 0,
        )
        yield GaugeMetricFamily(
            "plimsoll_migration_blocked_sessions",
            "Sessions that wait for a lock of the migration under way, or behind it.",
            value=step.blocked_sessions if step else 0,
        )


class PartitionCollector:
    """Collects how far ahead the monthly partitions are made."""

    def __init__(self, tables: Iterable[PartitionState]) -> None:
        self._tables = tables

    def collect(self) -> Iterator[Metric]:
        ahead = GaugeMetricFamily(
            "plimsoll_partition_months_ahead",
            "Months after this one that have a partition, up to the first gap; -1 if this month has none.",
            labels=["table"],
        )
        default = GaugeMetricFamily(
            "plimsoll_partition_default_used", "Whether rows are in the default partition.", labels=["table"]
        )
        for state in self._tables:
            ahead.add_metric([state.table], state.months_ahead)
            default.add_metric([state.table], state.holds_rows)
        yield from (ahead, default)
