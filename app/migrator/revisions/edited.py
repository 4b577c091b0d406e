"""Whether files are still those that a database has run."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from alembic.script import Script, ScriptDirectory

from .baselines import load_baselines, replaced_checksums
from .checksum import DIGITS, checksum_of
from .history import Entry, Outcome, last_completed


def find_edited(directory: ScriptDirectory, applied: Iterable[Script], entries: Sequence[Entry]) -> Iterator[Script]:
    """Yield the applied revisions, and the baselines, whose files are not what the database has run.

    A stamp says that the changes are there, not that this file has made them: it is compared only where a baseline has.
    """
    done, baseline_runs = last_completed(entries), list(_baseline_runs(entries))
    stamped = {entry.id for _, stamps in baseline_runs for entry in stamps}
    for script in applied:
        entry = done.get(script.revision)
        if entry and (entry.direction == "upgrade" or entry.id in stamped) and not _is_file_of(script, entry):
            yield script
    for baseline in load_baselines(directory):
        last = [run for run, stamps in baseline_runs if done.get(baseline.revision) in stamps]
        if last and last[-1].revision == baseline.revision and last[-1].checksum != checksum_of(baseline):
            yield baseline


def _is_file_of(script: Script, entry: Entry) -> bool:
    # A database may have run the revision before a baseline took its place.
    before = replaced_checksums(script).get(script.revision)
    return entry.checksum == checksum_of(script) or entry.checksum[:DIGITS] == before


def _baseline_runs(entries: Sequence[Entry]) -> Iterator[tuple[Entry, list[Entry]]]:
    """Yield each run of a baseline with the stamps that it has left, of which its own is the last."""
    done = [entry for entry in entries if entry.outcome is Outcome.DONE]
    for position, run in enumerate(done, 1):
        if run.direction == "upgrade" and position < len(done) and done[position].direction == "stamp":
            stamps = list(takewhile(lambda entry: entry.direction == "stamp", done[position:]))
            names = [entry.revision for entry in stamps]
            if run.revision in names:
                yield run, stamps[: names.index(run.revision) + 1]
