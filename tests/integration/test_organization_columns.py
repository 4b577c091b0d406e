"""Each row carries the organization that it is of: what the API makes, and what an older release left without."""

import asyncio

import httpx
import pytest

from app.migrator.backfill.status import BackfillState, BackfillUnfinishedError
from tests.conftest import settings_for
from tests.integration.conftest import Staff
from tests.support.database import query
from tests.support.furnished import Token, furnish
from tests.support.migrator import downgrade, read_backfills, read_status, upgrade, upgrade_with_backfills
from tests.support.organization_columns import CARRYING, ORGANIZATION, astray
from tests.support.processes import environment
from tests.support.processes import run as command

# The newest revision of the release that still made the column nullable.
EXPANDED = "c7e92b4f6a10"
INVITES = "/api/v1/organizations/me/invites"


async def test_rows_of_every_kind_carry_it_and_backfills_give_it_to_those_without(
    client: httpx.AsyncClient, staff: Staff, database_url: str
) -> None:
    made = await furnish(client, "Placed", Token("", ""))
    grants = [{"board_id": made.ids["board"], "can_write": True}]
    invite = await client.post(INVITES, json={"invited_email": "mate@example.com", "board_access": grants})
    access = f"/api/v1/organizations/me/members/{staff.join('member')}/access"
    given = await client.put(access, json={"board_access": grants})
    assert (invite.status_code, given.status_code) == (201, 200)
    assert [table.name for table in CARRYING if not query(database_url, f"SELECT FROM {table.name} LIMIT 1")] == []
    assert astray(database_url) == set()
    settings = settings_for(database_url)
    assert {found.state for found in await asyncio.to_thread(read_backfills, settings)} == {BackfillState.NOT_NEEDED}
    assert (await asyncio.to_thread(read_status, settings)).detail == "the database is at head"
    await asyncio.to_thread(downgrade, settings, EXPANDED, accept_data_loss=True)
    late = [found.name.removesuffix("_organization") for found in await asyncio.to_thread(read_backfills, settings)]
    for name in late:
        query(database_url, f"UPDATE {name} SET {ORGANIZATION} = NULL")
    assert astray(database_url) == {f"rows of nobody in {name}" for name in late}
    told = f"{len(late)} backfill(s) to run once no older release serves: `litestar database backfill --all`"
    assert told in (await asyncio.to_thread(read_status, settings)).detail
    expand = ("litestar", "database", "upgrade", "--phase", "expand", "--no-prompt")
    upgraded = command(*expand, env=environment(DATABASE_URL=database_url))
    assert "litestar database backfill --all" in upgraded.stderr
    with pytest.raises(BackfillUnfinishedError, match="tasks_organization"):
        await asyncio.to_thread(upgrade, settings)
    await asyncio.to_thread(upgrade_with_backfills, settings)
    assert (await asyncio.to_thread(read_status, settings)).detail == "the database is at head"
    assert astray(database_url) == set()
