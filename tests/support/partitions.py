"""Events of given months, and where they are stored."""

from datetime import UTC, datetime
from uuid import UUID

from app.migrator.partitions.months import add_months, month_start, partition_name
from app.migrator.status import Verdict
from tests.conftest import settings_for
from tests.support.database import insert, query
from tests.support.migrator import (
    downgrade,
    preview_maintenance,
    read_status,
    upgrade,
    upgrade_with_backfills,
)

UNPARTITIONED = "8d1c6a90e3b7"


TABLE, DEFAULT = "activity_events", "activity_events_default"


THIS_MONTH = month_start(datetime.now(UTC))


ORGANIZATION, WEBHOOK = UUID(int=1), UUID(int=3)


def store(url: str, *months: int) -> None:
    """An event on the third day of each month, counted from this one."""
    query(url, "INSERT INTO organizations (id, name) VALUES (:id, 'one') ON CONFLICT DO NOTHING", id=ORGANIZATION)
    for count in months:
        third = add_months(THIS_MONTH, count).replace(day=3)
        insert(url, TABLE, created_at=third, organization_id=ORGANIZATION, event_type="x")


def held(url: str) -> dict[str, int]:
    """Return how many events each partition holds; empty ones are left out."""
    rows = query(url, "SELECT tableoid::regclass::text, count(*) FROM activity_events GROUP BY 1")
    return {str(name): int(str(count)) for name, count in rows}


def file_of(url: str, table: str) -> object:
    return query(url, "SELECT pg_relation_filenode(to_regclass(:name))", name=table)[0][0]


def is_clean(url: str) -> bool:
    return (
        read_status(settings_for(url)).verdict is Verdict.UP_TO_DATE and not preview_maintenance(settings_for(url)).left
    )


def check_that_rows_stay_where_they_are(url: str) -> None:
    """Also in test_older_server.py."""
    settings = settings_for(url)
    upgrade(settings, UNPARTITIONED)
    store(url, -30, -1, 0)
    board = insert(url, "boards", organization_id=ORGANIZATION, name="b", slug="b", description="")
    insert(url, "board_webhooks", id=WEBHOOK, board_id=board, description="")
    insert(url, "board_webhook_payloads", webhook_id=WEBHOOK, body=b"x", headers="{}")
    everything = "SELECT to_jsonb(e) FROM activity_events AS e ORDER BY id"
    before, file = query(url, everything), file_of(url, TABLE)
    upgrade_with_backfills(settings)
    whole = partition_name(TABLE, None, add_months(THIS_MONTH, 2))
    assert held(url) == {whole: 3}
    assert file_of(url, whole) == file
    assert query(url, everything) == before
    assert is_clean(url)
    downgrade(settings, UNPARTITIONED, accept_data_loss=True)
    assert query(url, everything) == before
    assert query(url, "SELECT count(*) FROM pg_class WHERE relname LIKE 'activity_events_%' AND relkind = 'r'") == [
        (0,)
    ]
    upgrade_with_backfills(settings)
    assert query(url, everything) == before
    query(url, "DELETE FROM organizations")
    assert query(url, "SELECT count(*) FROM activity_events") == [(0,)]
    assert query(url, "SELECT count(*) FROM board_webhook_payloads") == [(0,)]
