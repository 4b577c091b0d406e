"""What the doctor says of a primary or of a replica that falls silent while it is asked."""

import asyncio

from app.db.doctor_checks import replicas
from app.migrator.doctor.finding import CheckLimits
from app.postgres.secret import Secret
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.support.doctor import WARNING
from tests.support.silent_proxy import cut
from tests.support.waiting import PATIENCE

IMPATIENT = CheckLimits(connect_timeout=0.1, statement_timeout=0.1)
PATIENT = CheckLimits(connect_timeout=PATIENCE)


async def test_replica_that_falls_silent_is_given_up(database_url: str) -> None:
    with cut(database_url, "system_identifier", last="B") as way:
        async with asyncio.timeout(PATIENCE):
            finding = await replicas._replica(normalize_database_url(way.url), "any", "0/0", PATIENT, seconds=0.1)
    assert finding.severity is WARNING
    assert "cannot be looked at" in finding.seen


async def test_primary_that_falls_silent_is_left_to_other_checks(database_url: str) -> None:
    with cut(database_url, "system_identifier", last="B") as way:
        settings = settings_for(way.url, database_replica_urls=(Secret("postgresql://u@127.0.0.1:1/db"),))
        async with asyncio.timeout(PATIENCE):
            assert await replicas.check_replicas(settings, normalize_database_url(way.url), IMPATIENT) == []
