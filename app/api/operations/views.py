"""What each part of the operations page shows of what was collected."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from math import isinf
from typing import Any

import msgspec

from app import __version__
from app.api.http.recent_requests import RecentRequests
from app.api.operations.backfill_rates import BackfillRates, read_backfills
from app.api.operations.collector import Collector, Reading
from app.api.operations.request_plot import draw_requests
from app.api.operations.sources import Activity
from app.api.operations.timeline import Timeline, draw_timeline
from app.api.operations.verdict import judge, older_releases, this_release
from app.db.plugin import DatabasePlugin
from app.migrator.doctor.checks import most_important
from app.migrator.doctor.finding import Finding, Severity
from app.migrator.execution.data_loss import LossKind
from app.migrator.phase import Phase
from app.migrator.status import Status

View = dict[str, Any]
_LAST_MINUTE = 60.0
_SEVERITIES = (Severity.PROBLEM, Severity.WARNING, Severity.NOTE)


@dataclass(frozen=True)
class Process:
    """What the process knows of itself, without the database."""

    database: DatabasePlugin
    recent: RecentRequests
    streams: int
    watchers: int
    rates: BackfillRates


def _base(collected: Collector, *names: str) -> View:
    """Return why the sources are not as new as they should be, and when they were read."""
    readings = [collected[name] for name in names]
    late = max((seconds for name in names if (seconds := collected.late(name))), default=None)
    return {
        "error": next((reading.error for reading in readings if reading.error), None),
        "late": late,
        "read_at": min((reading.read_at for reading in readings if reading.read_at), default=None),
    }


def _timeline(collected: Collector) -> Timeline | None:
    activity: Activity | None = collected["activity"].value
    status: Status | None = collected["status"].value
    if activity is None:
        return None
    return draw_timeline(activity.entries, status.revisions if status else (), activity.under_way)


def verdict(collected: Collector, _: Process) -> View:
    state, activity = collected["state"].value, collected["activity"].value
    status: Status | None = collected["status"].value
    return {
        **_base(collected, "state", "activity"),
        "verdict": judge(collected),
        "this_release": this_release(collected["state"]),
        "older_releases": older_releases(state, activity),
        "status": status,
        "release": __version__,
    }


def migration(collected: Collector, _: Process) -> View:
    activity: Activity | None = collected["activity"].value
    timeline = _timeline(collected)
    done = [step for step in timeline.steps if step.outcome != "pending"] if timeline else []
    return {
        **_base(collected, "activity"),
        "activity": activity,
        "step": activity.under_way if activity else None,
        "entry": activity.entries[-1] if activity and activity.entries else None,
        "last": done[0] if done else None,
        "own_waits": [wait for wait in activity.waits if wait.is_migration] if activity else [],
        "waits": [wait for wait in activity.waits if not wait.is_migration] if activity else [],
    }


def requests(collected: Collector, process: Process) -> View:
    timeline = _timeline(collected)
    periods = process.recent.periods()
    return {
        "plot": draw_requests(periods, timeline.steps if timeline else ()),
        "minute": process.recent.over(_LAST_MINUTE),
        "seconds": _LAST_MINUTE,
    }


def revisions(collected: Collector, _: Process) -> View:
    return {**_base(collected, "activity"), "timeline": _timeline(collected)}


def pending(collected: Collector, _: Process) -> View:
    return {
        **_base(collected, "dry_run"),
        "found": collected["dry_run"].value,
        "contract": Phase.CONTRACT,
        "may_lose": LossKind.UNKNOWN,
    }


def backfills(collected: Collector, here: Process) -> View:
    status: Status | None = collected["status"].value
    rows = read_backfills(collected, status, here.rates)
    return {
        **_base(collected, "state", "status"),
        "known": status is not None,
        "rows": [row for row in rows if row.state != "done"],
        "done": [row for row in rows if row.state == "done"],
    }


def partitions(collected: Collector, _: Process) -> View:
    return {**_base(collected, "partitions"), "found": collected["partitions"].value}


def process(_: Collector, here: Process) -> View:
    replicas = here.database.replicas.all if here.database.replicas else ()
    return {
        "pools": here.database.pool_usages(),
        "replicas": [(one.name, one.fault, None if isinf(one.lag) else one.lag) for one in replicas],
        "streams": here.streams,
        "watchers": here.watchers,
    }


def drift(collected: Collector, _: Process) -> View:
    return {**_base(collected, "drift"), "found": collected["drift"].value}


def doctor(collected: Collector, _: Process) -> View:
    reading: Reading = collected["doctor"]
    findings: list[Finding] = reading.value or []
    # Several checks may find the same, for instance that they could not run.
    distinct = list(dict.fromkeys(msgspec.structs.replace(one, check="") for one in findings))
    return {
        **_base(collected, "doctor"),
        "known": reading.value is not None,
        "counts": Counter(one.severity for one in distinct),
        "first": most_important(findings),
        "findings": [one for severity in _SEVERITIES for one in distinct if one.severity is severity],
        "fine": list(_by_group(one for one in distinct if one.severity is Severity.OK)),
    }


def _by_group(findings: Iterator[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    for group, members in groupby(findings, lambda finding: finding.group):
        yield group, list(members)


# In the order of the page. Each has a template of its name.
PARTS: Mapping[str, Callable[[Collector, Process], View]] = {
    "verdict": verdict,
    "migration": migration,
    "requests": requests,
    "revisions": revisions,
    "pending": pending,
    "backfills": backfills,
    "doctor": doctor,
    "drift": drift,
    "partitions": partitions,
    "process": process,
}
