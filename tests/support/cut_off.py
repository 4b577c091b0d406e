"""Work whose connection is cut off in the middle, and a check of what it leaves."""

import threading
from collections.abc import Callable
from typing import NamedTuple

from app.core.settings import Settings
from tests.conftest import settings_for
from tests.migrations.conftest import Release, autocommit
from tests.support.database import query
from tests.support.migrator import downgrade, maintain, upgrade
from tests.support.silent_proxy import IN_THE_MIDDLE, LOCKED, cut
from tests.support.stopping import lock_holders
from tests.support.waiting import PATIENCE, wait_until

DRIVERS = ("postgresql", "postgresql+psycopg")


class Work(NamedTuple):
    """What is done, and words of a statement after which it is cut off; `prepare` comes before, uncut."""

    does: Callable[[Settings], object]
    begins: str
    prepare: Callable[[Settings], object] = lambda settings: None


def _up(release: Release) -> Work:
    release.add('op.execute("ALTER TABLE tags ADD COLUMN weight integer")')
    return Work(upgrade, "ALTER TABLE tags")


def _down(release: Release) -> Work:
    release.add("pass", 'op.execute("ALTER TABLE tags ADD COLUMN weight integer")')
    return Work(lambda settings: downgrade(settings, "-1", accept_data_loss=True), "ALTER TABLE tags", upgrade)


def _without_transaction(release: Release) -> Work:
    release.add(autocommit("CREATE INDEX CONCURRENTLY i ON tags (name)"))
    return Work(upgrade, "CREATE INDEX CONCURRENTLY")


def _partitions(_: Release) -> Work:
    last = "SELECT relname FROM pg_class WHERE relname LIKE 'activity_events_2%' ORDER BY 1 DESC LIMIT 1"

    def lose_one(settings: Settings) -> None:
        url = url_of(settings)
        query(url, f"DROP TABLE {query(url, last)[0][0]}")

    return Work(maintain, "IN ACCESS EXCLUSIVE MODE", lose_one)


SCHEMA_CHANGES = {"upgrade": _up, "downgrade": _down, "index": _without_transaction, "partitions": _partitions}


def url_of(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.reveal()


def check_that_it_keeps_nothing(
    url: str, work: Work, driver: str = "postgresql", last: str = "P"
) -> BaseException | None:
    """Return the error with which it ends once the connection is back, if any; also in test_older_server.py."""
    work.prepare(settings_for(url))
    ended: list[BaseException] = []

    def go() -> None:
        try:
            work.does(settings_for(way.url, db_migrate_statement_timeout=1.0))
        except BaseException as exc:  # noqa: BLE001 - looked at by the caller
            ended.append(exc)

    with cut(url, work.begins, last, driver) as way:
        thread = threading.Thread(target=go)
        thread.start()
        wait_until(lambda: way.is_silent.is_set() or ended, "it is cut off")
        assert ended == []
        # The server may have the last message still before it; or it may have ended the session for that already.
        wait_until(lambda: query(url, IN_THE_MIDDLE) or not lock_holders(url), "it stands in the middle")
        wait_until(lambda: query(url, IN_THE_MIDDLE) == query(url, LOCKED) == lock_holders(url) == [], "all is free")
        way.go_on()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    return next(iter(ended), None)
