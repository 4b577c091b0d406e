"""The verdict in one line, and which releases the schema serves."""

from dataclasses import dataclass
from enum import StrEnum

from app import __version__
from app.api.operations.collector import Collector, Reading
from app.api.operations.sources import Activity
from app.migrator.drift.report import Drift
from app.migrator.phase import Phase
from app.migrator.revisions.history import Outcome, baseline_runs
from app.migrator.revisions.loading import phase_of
from app.migrator.revisions.schema_state import SchemaState
from app.migrator.status import Status, Verdict, judge_differences


class Tone(StrEnum):
    """How much care something needs; the page shows it by a word and a shape, and by colour."""

    GOOD = "good"
    BUSY = "busy"
    CARE = "care"
    BAD = "bad"
    UNKNOWN = "unknown"


_TONES = {Verdict.UP_TO_DATE: Tone.GOOD, Verdict.PENDING: Tone.CARE, Verdict.AHEAD: Tone.CARE}


@dataclass(frozen=True)
class Judgement:
    """A word with its tone, and the rest of the sentence."""

    tone: Tone
    word: str
    detail: str = ""


def judge(collected: Collector) -> Judgement:
    """Return the verdict of `status`, unless the database does not answer, or something is at it."""
    state, activity, status = collected["state"], collected["activity"], collected["status"]
    if state.error:
        return Judgement(Tone.BAD, "no answer", state.error)
    doing: Activity | None = activity.value
    if doing and doing.under_way:
        step = doing.under_way
        waits = ", and waits for a table" if step.lock_wait is not None else ""
        return Judgement(Tone.BUSY, "migrating", f"the {step.direction} of {step.revision} is under way{waits}")
    if status.error or status.value is None:
        return Judgement(Tone.UNKNOWN, "not known", status.error or "the state is being read")
    if doing and doing.entries and doing.entries[-1].outcome is Outcome.FAILED:
        last = doing.entries[-1]
        return Judgement(
            Tone.BAD, "failed", f"the {last.direction} of {last.revision}: {last.error or 'no reason kept'}"
        )
    verdict, detail = _with_drift(status.value, collected["drift"].value)
    return Judgement(_TONES.get(verdict, Tone.BAD), verdict.value, detail)


def _with_drift(status: Status, drift: Drift | None) -> tuple[Verdict, str]:
    """Return the verdict with what the last comparison has found, which `status` makes each time."""
    is_of_now = drift is not None and not drift.pending and not drift.unknown
    if status.verdict is Verdict.UP_TO_DATE and drift is not None and is_of_now and drift.differences:
        return judge_differences(drift.differences)
    return status.verdict, status.detail


def this_release(reading: Reading) -> Judgement:
    """Return whether this release works on the schema."""
    state: SchemaState | None = reading.value
    if state is None or reading.error:
        return Judgement(Tone.UNKNOWN, "not known")
    if state.broken_by:
        return Judgement(Tone.BAD, "not served", f"{', '.join(state.broken_by)} of a newer release has contracted")
    if state.is_behind:
        return Judgement(Tone.BAD, "not served", f"{len(state.pending)} revisions are missing")
    if state.read_only:
        return Judgement(Tone.CARE, "can only read", state.read_only)
    return Judgement(Tone.GOOD, "served")


def older_releases(state: SchemaState | None, activity: Activity | None) -> Judgement:
    """Return whether the release before this one works on the schema: no contract revision of this one is in force."""
    if state is None or activity is None:
        return Judgement(Tone.UNKNOWN, "not known")
    at_once = {run.id for run, _ in baseline_runs(activity.entries)}
    own = [entry for entry in activity.entries if entry.is_in_force and entry.release == __version__]
    contracts = [e for e in own if e.phase is Phase.CONTRACT and e.direction == "upgrade" and e.id not in at_once]
    if activity.entries and all(entry.release == __version__ for entry in activity.entries):
        return Judgement(Tone.GOOD, "none", "no older release has changed this database")
    if contracts:
        first = contracts[0]
        return Judgement(
            Tone.CARE,
            "no longer served",
            f"since the contract revision {first.revision}, {first.started_at:%d %b %H:%M}",
        )
    to_come = [script.revision for script in state.pending if phase_of(script) is Phase.CONTRACT]
    return Judgement(Tone.GOOD, "served", f"until {to_come[0]} contracts" if to_come else "")
