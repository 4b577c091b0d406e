"""The spans of what the engine does: an upgrade with its revisions, a backfill with its batches."""

import pytest

from app.core.tracing import provider
from app.migrator.backfill.throttle import Throttle
from app.postgres.errors import MigrationFailedError
from tests.conftest import settings_for
from tests.migrations.conftest import Release
from tests.support.backfill import define, make_numbers
from tests.support.migrator import downgrade, run_backfills, upgrade
from tests.support.revisions import ADD_COLUMN
from tests.support.tracing import IN_MEMORY, Spans


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    monkeypatch.setattr(provider, "process_tracing", lambda: IN_MEMORY)
    return Spans()


def test_revisions_are_spans_within_their_upgrade_and_one_that_fails_says_so(
    database_url: str, release: Release, spans: Spans
) -> None:
    good = release.add(ADD_COLUMN)
    bad = release.add("op.execute(\"SELECT 'open-sesame'::integer\")", phase="contract")
    with pytest.raises(MigrationFailedError):
        upgrade(settings_for(database_url, tracing=True))
    command = spans.one("upgrade")
    assert [(span.name, dict(span.attributes or {})) for span in spans.below(command)] == [
        ("apply revision", {"plimsoll.revision": good, "plimsoll.phase": "expand", "plimsoll.retries": 0}),
        (
            "apply revision",
            {
                "plimsoll.revision": bad,
                "plimsoll.phase": "contract",
                "error.type": "app.postgres.errors.MigrationFailedError",
            },
        ),
    ]
    assert "open-sesame" not in spans.as_text
    spans.clear()
    downgrade(settings_for(database_url, tracing=True), "-1", accept_data_loss=True)
    assert [span.name for span in spans.below(spans.one("downgrade"))] == ["revert revision"]


def test_batches_are_spans_within_their_backfill(database_url: str, release: Release, spans: Spans) -> None:
    make_numbers(database_url)
    define(release, batch_size=4_000)
    run_backfills(settings_for(database_url, tracing=True), ["fill"], Throttle(rate=0), lambda _: None)
    batches = spans.below(spans.one("backfill"))
    assert {span.name for span in batches} == {"backfill batch"}
    assert sum(int(str((span.attributes or {})["plimsoll.rows"])) for span in batches) == 10_000
    assert {(span.attributes or {})["plimsoll.backfill"] for span in batches} == {"fill"}
