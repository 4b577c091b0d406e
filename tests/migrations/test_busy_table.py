"""A table that a long transaction holds: the migration backs off again and again, and requests go on."""

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

from app.core.settings import Settings
from tests.support.database import applied, holding, query
from tests.support.load import Balancer, Figures, Traffic
from tests.support.migrator import load_revisions
from tests.support.processes import copied_checkout, environment, serving
from tests.support.queueing import longest_in, watching_the_queue
from tests.support.stopping import COMMANDS, add_revision, running
from tests.support.waiting import PATIENCE

RATE = 15
COLUMN = "c0lumn"
BACKED_OFF = re.compile("trying again")
# The server, the load, PostgreSQL and the migration share two cores with whatever else runs.
MARGIN = 1.5


async def test_migration_backs_off_while_a_transaction_holds_the_table_and_requests_go_on(
    database_url: str, tmp_path: Path, long: bool, show_figures: Callable[[str, list[Figures]], None]
) -> None:
    """The true 30 s and the default settings with --long; otherwise a little longer than requests may wait."""
    checkout, log = copied_checkout(tmp_path / "next"), tmp_path / "log"
    head = load_revisions(Settings()).get_heads()[0]
    add_revision(checkout, COLUMN, head, '\n    op.execute("ALTER TABLE tasks ADD COLUMN weight integer")\n')
    lock_timeout = 2.0 if long else 0.5
    env = environment(DATABASE_URL=database_url)
    impatient = env if long else {**env, "DB_MIGRATE_LOCK_TIMEOUT": str(lock_timeout)}
    bound = lock_timeout + MARGIN
    held_for = 30 if long else bound + 0.1
    traffic = Traffic(Balancer(), RATE)
    with serving(env, tmp_path / "server") as server:
        server.wait_until_ready()
        traffic.balancer.add(server)
        async with traffic.flowing():
            await traffic.begin("quiet")
            await traffic.more(10)
            await traffic.begin("the table is held")
            with watching_the_queue(database_url) as looks, running(COMMANDS[0], impatient, checkout, log) as process:
                # As a long report does, or a forgotten session.
                with holding(database_url, "LOCK TABLE tasks IN ACCESS SHARE MODE"):
                    held_since = time.monotonic()
                    while len(BACKED_OFF.findall(log.read_text())) < 3 or time.monotonic() - held_since < held_for:
                        assert process.poll() is None, log.read_text()
                        await asyncio.sleep(0.02)
                    held = time.monotonic() - held_since
                await traffic.begin("the table is free")
                assert await asyncio.to_thread(process.wait, PATIENCE) == 0, log.read_text()
            await traffic.stop()
    during = traffic.figures("the table is held")
    waits = {look.waits_since for look in looks if look.waits_since}
    longest_wait = max(look.waited for look in looks)
    title = (
        f"A transaction holds the table for {held:.1f} s: the migration waits {len(waits)} times, {longest_wait:.2f} s"
        f" at most (lock timeout {lock_timeout:g} s)"
    )
    show_figures(title, traffic.every_figure)
    assert applied(database_url) == [COLUMN]
    ((outcome, retries),) = query(database_url, "SELECT outcome, retries FROM schema_history ORDER BY id DESC LIMIT 1")
    assert outcome == "done"
    assert retries >= 3
    # One wait for each time that it backed off, and perhaps one in which the table became free.
    assert len(waits) - int(str(retries)) in {0, 1}
    assert longest_wait <= lock_timeout + MARGIN
    # In between it is not in the queue, and so nobody is.
    between = [look for look in looks if not look.waiting and not look.holding]
    assert max(look.others for look in between) == 0
    # Behind it requests wait, but no longer than it does itself: that is what the limit is for.
    assert max(look.others for look in looks) > 0
    assert traffic.failures == []
    assert longest_in(looks) <= bound
    if long:
        assert during.longest <= bound * 1000
    assert held > bound, "without backing off they would have waited all that time"
