"""Who waits for the table `tasks`, and how long, by the clock of the database, which a busy machine does not stop."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import NamedTuple

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

# PostgreSQL lets those behind go on in the moment in which a lock is released, or its waiter leaves.
_QUEUE = text(
    "SELECT count(*) FILTER (WHERE mode = 'AccessExclusiveLock' AND NOT granted) AS waiting,"
    " count(*) FILTER (WHERE mode = 'AccessExclusiveLock' AND granted) AS holding,"
    " count(*) FILTER (WHERE mode != 'AccessExclusiveLock' AND NOT granted) AS others,"
    " extract(epoch FROM max(waitstart) FILTER (WHERE mode = 'AccessExclusiveLock'))::float AS waits_since,"
    " coalesce(extract(epoch FROM max(clock_timestamp() - waitstart)"
    " FILTER (WHERE mode = 'AccessExclusiveLock')), 0)::float AS waited,"
    " coalesce(extract(epoch FROM max(clock_timestamp() - waitstart)"
    " FILTER (WHERE mode != 'AccessExclusiveLock' AND NOT granted)), 0)::float AS longest"
    " FROM pg_locks WHERE relation = 'tasks'::regclass"
)


class Look(NamedTuple):
    """At the queue before the table: whether a migration waits in it or has the table, and how many are behind it.

    `waits_since` is when its wait began, None where it does not wait; `waited` and `longest` are the seconds that it,
    and the first of those behind it, have waited.
    """

    waiting: bool
    holding: bool
    others: int
    waits_since: float | None
    waited: float
    longest: float


def longest_in(looks: list[Look]) -> float:
    """Return the most seconds for which anybody but a migration was seen waiting."""
    return max(look.longest for look in looks)


@contextmanager
def watching_the_queue(url: str) -> Iterator[list[Look]]:
    """Looks every 10 ms or so, until the end."""
    looks: list[Look] = []
    stop = Event()
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )

    def watch() -> None:
        with engine.connect() as connection:
            while not stop.wait(0.01):
                queue = connection.execute(_QUEUE).one()
                looks.append(
                    Look(
                        queue.waiting > 0,
                        queue.holding > 0,
                        queue.others,
                        queue.waits_since,
                        queue.waited,
                        queue.longest,
                    )
                )

    thread = Thread(target=watch)
    thread.start()
    try:
        yield looks
    finally:
        stop.set()
        thread.join()
