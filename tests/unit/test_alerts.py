"""The rules for Prometheus fire when they should, by promtool, which evaluates them; and the dashboard is valid."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support.dashboard import expressions, panels
from tests.support.processes import ROOT, debian_program

ALERTS = ROOT / "migrations/docs/alerts.yml"
# The values of series, one every 15 s.
Series = dict[str, str]
_ALWAYS = "1x80"
_NEVER = "0x80"
_MIGRATING = {"plimsoll_migration_running{revision='a', phase='expand', direction='upgrade'}": _ALWAYS}
_ANSWERED = {"plimsoll_requests_total{operation='get_board', status='200'}": "0+100x80"}
_FAILING = {"plimsoll_requests_failed_total": "0+2x80"}
_WELL = {"plimsoll_requests_failed_total": "1x80"}
_NOT_READY = {"plimsoll_requests_total{operation='readyz', status='503'}": "0+2x80"}


def _last(outcome: str) -> Series:
    return {
        f"plimsoll_migration_last_outcome{{plimsoll_migration_last_outcome='{one}'}}": f"{int(one == outcome)}x80"
        for one in ("done", "failed", "running", "interrupted")
    }


def _schema(serves: int, pending: int) -> Series:
    return {"plimsoll_schema_serves_release": f"{serves}x80", "plimsoll_schema_pending_revisions": f"{pending}x80"}


def _answers(*, slow: int) -> Series:
    """Series of 100 answers at a time, of which so many took over a second."""
    bucket = "plimsoll_request_duration_seconds_bucket{{operation='get_board', le='{}'}}"
    counts = {"0.5": 100 - slow, "1.0": 100 - slow, "2.5": 100, "+Inf": 100}
    return {bucket.format(limit): f"0+{count}x80" for limit, count in counts.items()}


def _backfill(state: str, last_batch: str) -> Series:
    return {
        "plimsoll_backfill_last_batch_timestamp_seconds{backfill='b'}": last_batch,
        f"plimsoll_backfill_state{{backfill='b', plimsoll_backfill_state='{state}'}}": _ALWAYS,
    }


def _pool(in_use: int, waiting: int) -> Series:
    return {
        "plimsoll_pool_limit{server='primary'}": "15x80",
        "plimsoll_pool_in_use{server='primary'}": f"{in_use}x80",
        "plimsoll_pool_waiting{server='primary'}": f"{waiting}x80",
    }


# Alert -> what makes it fire, and what must not, each as the series of 20 minutes.
CASES: dict[str, tuple[list[Series], list[Series]]] = {
    "PlimsollMigrationFailed": ([_last("failed")], [_last("done"), _last("running"), {}]),
    "PlimsollMigrationKilled": ([_last("running")], [_last("running") | _MIGRATING, _last("failed")]),
    "PlimsollMigrationWaitsForLock": (
        # It is between two waits at every other time.
        [
            {"plimsoll_migration_lock_wait_seconds": " ".join(["0", "0.4"] * 41)},
            {"plimsoll_migration_lock_wait_seconds": _NEVER, "plimsoll_migration_running_retries": "0+1x80"},
        ],
        [{"plimsoll_migration_lock_wait_seconds": "0.4 0x79", "plimsoll_migration_running_retries": "3x80"}],
    ),
    "PlimsollMigrationTakesLong": (
        [{"plimsoll_migration_running_seconds{revision='a'}": "0+15x80"}],
        [{"plimsoll_migration_running_seconds{revision='a'}": "0+15x4"}],
    ),
    "PlimsollMigrationBlocksSessions": (
        [{"plimsoll_migration_blocked_sessions": "3x80"}],
        [{"plimsoll_migration_blocked_sessions": " ".join(["0", "3"] * 41)}],
    ),
    "PlimsollErrorsDuringMigration": (
        [_ANSWERED | _FAILING | _MIGRATING],
        [_ANSWERED | _FAILING, _ANSWERED | _WELL | _MIGRATING, _NOT_READY | _WELL | _MIGRATING],
    ),
    "PlimsollSlowDuringMigration": (
        [_answers(slow=5) | _MIGRATING],
        [_answers(slow=5), _answers(slow=0) | _MIGRATING],
    ),
    "PlimsollDatabaseDown": ([{"plimsoll_database_up": _NEVER}], [{"plimsoll_database_up": _ALWAYS}]),
    "PlimsollSchemaBehind": ([_schema(0, 2)], [_schema(1, 2), _schema(1, 0), _schema(0, 0)]),
    "PlimsollSchemaContracted": ([_schema(0, 0)], [_schema(1, 0), _schema(0, 2)]),
    "PlimsollPartitionsMissing": (
        [{"plimsoll_partition_months_ahead{table='t'}": f"{months}x80"} for months in (0, "-1")],
        [{"plimsoll_partition_months_ahead{table='t'}": "1x80"}],
    ),
    "PlimsollBackfillStalled": (
        [_backfill("running", "30x80")],
        [_backfill("running", "0+15x80"), _backfill("paused", "30x80"), _backfill("done", "30x80")],
    ),
    "PlimsollBackfillFailed": ([_backfill("failed", "30x80")], [_backfill("running", "30x80")]),
    "PlimsollRequestsRefused": (
        [{"plimsoll_requests_refused_total": "0+1x80"}],
        [{"plimsoll_requests_refused_total": "7x80"}],
    ),
    "PlimsollPoolExhausted": ([_pool(15, 4)], [_pool(15, 0), _pool(3, 1)]),
    "PlimsollReplicaBehind": (
        [{"plimsoll_replica_lag_seconds{replica='r'}": lag} for lag in ("30x80", "Inf " * 81)],
        [{"plimsoll_replica_lag_seconds{replica='r'}": "0.3x80"}],
    ),
}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def promtool(*arguments: object) -> str:
    """Run promtool, and return what it says of what is wrong; empty if nothing is."""
    done = subprocess.run(
        [debian_program("promtool", "prometheus"), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


def evaluation() -> dict[str, Any]:
    """Return promtool's test, in which each case is a job of its own with two processes that report the same."""
    series, expected = [], []
    for alert, (firing, silent) in CASES.items():
        samples = []
        for number, case in enumerate((*firing, *silent)):
            job = f"{alert}-{number}"
            series += [
                {"series": _with_labels(name, f"job='{job}', instance='{instance}'"), "values": values}
                for name, values in case.items()
                for instance in ("a", "b")
            ]
            if case in firing:
                samples.append({"labels": f'{{job="{job}"}}', "value": 2 if alert in PER_PROCESS else 1})
        fired = f"ALERTS{{alertname='{alert}', alertstate='firing', job=~'{alert}-.*'}}"
        expected.append({"expr": f"count by (job) ({fired})", "eval_time": "18m", "exp_samples": samples})
    return {"interval": "15s", "input_series": series, "promql_expr_test": expected}


# Where each process that is in trouble is told of.
PER_PROCESS = {"PlimsollDatabaseDown", "PlimsollSchemaBehind", "PlimsollSchemaContracted", "PlimsollPoolExhausted"}


def _with_labels(series: str, labels: str) -> str:
    name, brace, own = series.partition("{")
    return f"{name}{{{labels}, {own}" if brace else f"{name}{{{labels}}}"


def test_rules_are_valid() -> None:
    assert promtool("check", "rules", ALERTS) == ""


def test_each_rule_fires_when_it_should_and_at_no_other_time(tmp_path: Path) -> None:
    file = tmp_path / "alerts.test.yml"
    test = {"rule_files": [str(ALERTS)], "evaluation_interval": "15s", "tests": [evaluation()]}
    file.write_text(yaml.safe_dump(test))
    assert promtool("test", "rules", file) == ""


def test_each_rule_has_cases_and_says_what_to_do() -> None:
    assert [rule["alert"] for rule in rules()] == [*CASES]
    for rule in rules():
        said = rule["annotations"]
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert said["summary"].endswith("."), rule["alert"]
        assert re.search(r"`litestar database \w+", said["description"]), rule["alert"]


def test_dashboards_expressions_are_valid(tmp_path: Path) -> None:
    """As those of recording rules, with a value for each variable."""
    found = [re.sub(r"\$job", "j", expr).replace("$__rate_interval", "1m") for expr in expressions()]
    recorded = [{"record": f"expression_{number}", "expr": expr} for number, expr in enumerate(found)]
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    assert promtool("check", "rules", file) == ""
    assert "$" not in "".join(found)


def test_dashboards_panels_do_not_overlap_and_say_what_they_show() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not taken & cells, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["type"] == "row" or panel["description"].endswith("."), panel["title"]
