"""The pictures and figures of the operations page, by what goes into them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.api.http.recent_requests import PERIOD_SECONDS, PERIODS, RecentPeriod
from app.api.operations.backfill_rates import BackfillRates
from app.api.operations.filters import count, duration, moment, prose, size
from app.api.operations.request_plot import draw_requests
from app.api.operations.timeline import Timeline, draw_timeline
from app.api.operations.views import Process, process
from app.db.plugin import DatabasePlugin
from app.migrator.backfill.records import Record
from app.migrator.phase import Phase
from app.migrator.revisions.history import Entry, Outcome
from app.migrator.status import RevisionState, RevisionStatus
from app.migrator.under_way import StepUnderWay

NOW = datetime.now(UTC)
STEP = StepUnderWay(
    revision="r3", phase="expand", direction="upgrade", retries=2, seconds=7.0, lock_wait=None, blocked_sessions=0
)


def entry(number: int, outcome: Outcome = Outcome.DONE, seconds: float | None = 1.0, **changes: Any) -> Entry:
    made = Entry(
        id=number,
        revision=f"r{number}",
        phase=Phase.EXPAND,
        direction="upgrade",
        outcome=outcome,
        started_at=NOW,
        duration=None if seconds is None else timedelta(seconds=seconds),
        applied_by="me",
        release="1",
        checksum="",
        retries=0,
        error=None,
        indexes=(),
    )
    return replace(made, **changes)


def pending(name: str) -> RevisionStatus:
    return RevisionStatus(RevisionState.PENDING, name, Phase.CONTRACT, "what it does", None, None, None)


def shown(timeline: Timeline) -> list[tuple[str, str]]:
    return [(mark.step.revision, mark.step.outcome) for mark in timeline.marks]


def test_timeline_has_the_past_and_then_what_is_to_come() -> None:
    entries = [entry(1), entry(2, Outcome.FAILED), entry(3, Outcome.RUNNING, None)]
    timeline = draw_timeline(entries, [pending("r3"), pending("r4")], STEP)
    assert shown(timeline) == [("r1", "done"), ("r2", "failed"), ("r3", "running"), ("r4", "pending")]
    places = [mark.x for mark in timeline.marks]
    assert places == sorted(places)
    assert places[2] < timeline.now_x < places[3] < timeline.width
    assert [step.revision for step in timeline.steps] == ["r4", "r3", "r2", "r1"]
    assert timeline.marks[2].step.took == "7.0 s"


def test_timeline_says_killed_of_a_step_that_nobody_is_at() -> None:
    assert shown(draw_timeline([entry(1, Outcome.RUNNING, None)], [], None)) == [("r1", "killed")]


def test_timeline_shows_reverted_and_stamped_steps_as_such() -> None:
    entries = [entry(1, direction="stamp", seconds=0.0), entry(2, direction="downgrade"), entry(3, direction="unstamp")]
    timeline = draw_timeline(entries, [], None)
    assert [(mark.shape, mark.step.outcome) for mark in timeline.marks] == [
        ("expand", "stamped"),
        ("down", "done"),
        ("down", "unstamped"),
    ]


def test_timeline_stems_grow_with_the_logarithm_and_end_at_the_scale() -> None:
    heights = [
        mark.base - mark.y
        for mark in draw_timeline(
            [
                entry(1, seconds=0.0),
                entry(2, seconds=0.01),
                entry(3, seconds=1.0),
                entry(4, seconds=100.0),
                entry(5, seconds=1e6),
            ],
            [],
            None,
        ).marks
    ]
    assert heights == sorted(heights)
    assert heights[2] - heights[1] == pytest.approx(heights[3] - heights[2], abs=0.2)


def test_timeline_of_a_long_history_shows_its_end_and_counts_the_rest() -> None:
    timeline = draw_timeline(
        [entry(number, release=str(number // 30)) for number in range(100)],
        [pending(f"p{number}") for number in range(20)],
        None,
    )
    assert (timeline.earlier, timeline.later, len(timeline.steps)) == (72, 11, 120)
    assert [span.release for span in timeline.spans] == ["2", "3"]


def period(place: int, p99: float | None = None, errors: int = 0) -> RecentPeriod:
    return RecentPeriod(1000.0 + place * PERIOD_SECONDS, 1 if p99 else 0, errors, p99 and p99 / 2, p99, p99 or 0.0)


def test_plot_breaks_its_lines_where_there_was_no_request() -> None:
    periods = [period(place, 0.01 if place in {3, 4, 9} else None) for place in range(PERIODS)]
    plot = draw_requests(periods, [])
    assert (plot.p99.count("M"), plot.p99.count("L"), plot.requests) == (2, 1, 3)


def test_plot_without_a_request_has_a_scale_all_the_same() -> None:
    plot = draw_requests([period(place) for place in range(PERIODS)], [])
    assert (plot.p50, plot.p99) == ("", "")
    assert [label for _, label in plot.lines] == ["1 ms", "10 ms", "100 ms"]


def test_plot_marks_errors_and_the_steps_within_its_time() -> None:
    periods = [period(place, 0.01, errors=2 if place == 90 else 0) for place in range(PERIODS)]
    began = datetime.fromtimestamp(1000.0, UTC)
    long_ago = entry(1, started_at=began - timedelta(hours=1))
    before = entry(2, started_at=began - timedelta(seconds=10), seconds=15)
    within = entry(3, started_at=began + timedelta(seconds=450), seconds=45)
    plot = draw_requests(periods, draw_timeline([long_ago, before, within], [], None).steps)
    assert [band.step.revision for band in plot.bands] == ["r3", "r2"]
    middle = (plot.left + plot.right) / 2
    assert (plot.bands[0].x, plot.bands[0].width) == (middle, 36.0)
    assert (plot.bands[1].x, plot.bands[1].width) == (plot.left, 4.0)
    assert [(one.x, one.errors) for one in plot.errors] == [(middle + 2, 2)]


def record(rows: int, at: datetime, outcome: Outcome = Outcome.RUNNING) -> Record:
    return Record("fill", outcome, NOW, at, None, None, rows, rows, 1000, 0, "me", "1", "", None, None)


def test_backfill_has_a_speed_once_it_is_seen_to_go_on() -> None:
    rates = BackfillRates(lambda: NOW)
    assert rates.progress(record(100, NOW - timedelta(seconds=4))) is None
    found = rates.progress(record(300, NOW))
    assert found is not None
    assert (found.rows_per_second, found.seconds_left) == (50.0, 14.0)
    assert rates.progress(record(1000, NOW + timedelta(seconds=1), Outcome.DONE)) is None


def test_backfill_that_stands_still_or_begins_anew_has_no_speed() -> None:
    rates = BackfillRates(lambda: NOW)
    long_ago = NOW - timedelta(minutes=5)
    rates.progress(record(100, long_ago - timedelta(seconds=5)))
    assert rates.progress(record(300, long_ago)) is None
    assert rates.progress(record(0, NOW)) is None


def test_process_shows_replicas_with_their_lag_where_it_is_known() -> None:
    replicas = [
        SimpleNamespace(name="near", fault=None, lag=0.2, engine=None),
        SimpleNamespace(name="gone", fault="it is away", lag=inf, engine=None),
    ]
    database = SimpleNamespace(engine=None, replicas=SimpleNamespace(all=replicas))
    database.pool_usages = lambda: DatabasePlugin.pool_usages(cast("Any", database))
    here = Process(cast("Any", database), cast("Any", None), 3, 1, BackfillRates())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.db.plugin.usage_of", lambda engine: None)
        found = process(cast("Any", None), here)
    assert found["replicas"] == [("near", None, 0.2), ("gone", "it is away", None)]
    assert list(found["pools"]) == ["primary", "near", "gone"]


def test_prose_marks_commands_and_nothing_else() -> None:
    assert prose("type `a <b>` & go") == "type <code>a &lt;b&gt;</code> &amp; go"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (count(1234567), "1\u202f234\u202f567"),
        (duration(None), ""),
        (duration(inf), "unknown"),
        (duration(0.0042), "4.2 ms"),
        (duration(0.042), "42 ms"),
        (duration(4.2), "4.2 s"),
        (duration(4200), "1 h"),
        (size(5_000_000), "5 MB"),
        (moment(datetime(2020, 1, 2, 3, 4, tzinfo=UTC)), "2020-01-02 03:04"),
    ],
)
def test_values_are_written_for_people(written: str, expected: str) -> None:
    assert written == expected
