"""A table of numbers, and backfills of it."""

from app.migrator.backfill.progress import Progress
from app.migrator.backfill.throttle import Throttle
from tests.conftest import settings_for
from tests.migrations.conftest import HEAD, Release
from tests.support.database import query
from tests.support.migrator import run_backfills as run

ROWS = 10_000


DOUBLE = "UPDATE numbers SET doubled = n * 2, touched = touched + 1 WHERE {batch}"


FULL_SPEED = Throttle(rate=0)


def make_numbers(url: str) -> None:
    """A table whose rows each count how often they were changed."""
    query(url, "CREATE TABLE numbers (n integer PRIMARY KEY, doubled integer, touched integer NOT NULL DEFAULT 0)")
    query(url, f"INSERT INTO numbers SELECT generate_series(1, {ROWS})")


def define(release: Release, name: str = "fill", **fields: object) -> None:
    """Writes a backfill's file; as it stands, nothing but the record of the database keeps it from doing rows twice."""
    wanted = {"table": "numbers", "after": HEAD, "update": DOUBLE, **fields}
    text = ", ".join(f"{field}={value!r}" for field, value in wanted.items())
    write(
        release,
        name,
        f'"""A test\'s."""\nfrom app.migrator.backfill import Backfill\n\nbackfill = Backfill({text})\n',
    )


def write(release: Release, name: str, text: str) -> None:
    (release.root / "migrations" / "backfills" / f"{name}.py").write_text(text)


def fill(url: str, pace: Throttle = FULL_SPEED, report: object = None, **settings: object) -> list[Progress]:
    """Runs the backfill `fill`; `report` is called first at each batch."""
    seen: list[Progress] = []

    def note(progress: Progress) -> None:
        seen.append(progress)
        if callable(report):
            report(progress)

    run(settings_for(url, **settings), ["fill"], pace, note)
    return seen


def touched(url: str) -> dict[object, object]:
    """Return how many rows were changed how many times."""
    return dict(query(url, "SELECT touched, count(*) FROM numbers GROUP BY touched"))  # type: ignore[arg-type]
