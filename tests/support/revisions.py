"""Changes for a revision, and what a database says of the revisions that it has."""

from app.core.settings import Settings
from app.migrator.revisions.baselines import load_baselines, replaced_scripts
from app.migrator.revisions.loading import oldest_first
from tests.support.database import query
from tests.support.migrator import load_revisions

ADD_COLUMN = 'op.execute("ALTER TABLE tags ADD COLUMN weight integer")'
DROP_COLUMN = 'op.execute("ALTER TABLE tags DROP COLUMN weight")'


def history_of_a_new_database() -> list[tuple[str, str]]:
    """Return what an upgrade of an empty database to head records: of each step the revision and the direction."""
    directory = load_revisions(Settings())
    (baseline,) = load_baselines(directory)
    replaced = [script.revision for script in replaced_scripts(directory, baseline)]
    later = [script.revision for script in oldest_first(directory) if script.revision not in replaced]
    stamps = [(revision, "stamp") for revision in replaced]
    return [(baseline.revision, "upgrade"), *stamps, *((revision, "upgrade") for revision in later)]


def history(url: str, *columns: str) -> list[tuple[object, ...]]:
    return query(url, f"SELECT {', '.join(columns)} FROM schema_history ORDER BY id")


def columns_of(url: str, table: str) -> set[object]:
    rows = query(url, "SELECT column_name FROM information_schema.columns WHERE table_name = :t", t=table)
    return {name for (name,) in rows}
