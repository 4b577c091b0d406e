"""Whether files are still those that a database has run."""

from collections.abc import Iterable, Iterator, Sequence

from alembic.script import Script, ScriptDirectory

from .baselines import load_baselines, replaced_checksums
from .checksum import DIGITS, checksum_of
from .history import Entry, baseline_runs, last_completed


def find_edited(directory: ScriptDirectory, applied: Iterable[Script], entries: Sequence[Entry]) -> Iterator[Script]:
    """Yield the applied revisions, and the baselines, whose files are not what the database has run.

    A stamp says that the changes are there, not that this file has made them: it is compared only where a baseline has.
    """
    done, runs = last_completed(entries), list(baseline_runs(entries))
    stamped = {entry.id for _, stamps in runs for entry in stamps}
    for script in applied:
        entry = done.get(script.revision)
        if entry and (entry.direction == "upgrade" or entry.id in stamped) and not _is_file_of(script, entry):
            yield script
    for baseline in load_baselines(directory):
        last = [run for run, stamps in runs if done.get(baseline.revision) in stamps]
        if last and last[-1].revision == baseline.revision and last[-1].checksum != checksum_of(baseline):
            yield baseline


def _is_file_of(script: Script, entry: Entry) -> bool:
    # A database may have run the revision before a baseline took its place.
    before = replaced_checksums(script).get(script.revision)
    return entry.checksum == checksum_of(script) or entry.checksum[:DIGITS] == before
