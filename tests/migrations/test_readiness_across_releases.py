"""Whether a release is ready on the schema of another: while expand revisions alone are ahead of it."""

import asyncio

import pytest

from app.db.readiness import Readiness, SchemaBehindError, SchemaContractedError
from app.db.startup_policy import init_db
from app.postgres.errors import MigrationFailedError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.migrations.conftest import Release, autocommit, renamed, sql
from tests.support.database import query
from tests.support.migrator import downgrade, upgrade
from tests.support.revisions import ADD_COLUMN, DROP_COLUMN


async def test_release_is_not_ready_once_a_contract_has_dropped_an_index_and_failed(
    database_url: str, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    query(database_url, "CREATE UNIQUE INDEX once ON tags (name, color)")
    release.add(ADD_COLUMN)
    contract = release.add(autocommit("DROP INDEX CONCURRENTLY once") + sql("SELECT FROM wanted"), phase="contract")
    with pytest.raises(MigrationFailedError, match="wanted"):
        await asyncio.to_thread(upgrade, settings_for(database_url))
    monkeypatch.undo()
    with pytest.raises(SchemaContractedError, match=contract):
        await ready(database_url)


async def test_release_is_ready_again_when_the_index_is_gone_that_a_contract_could_not_build(
    database_url: str, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    query(
        database_url,
        "INSERT INTO organizations (id, name) SELECT gen_random_uuid(), 'same' FROM generate_series(1, 2)",
    )
    release.add(ADD_COLUMN)
    contract = release.add(
        autocommit("CREATE UNIQUE INDEX CONCURRENTLY once ON organizations (name)"), phase="contract"
    )
    with pytest.raises(MigrationFailedError, match="once"):
        await asyncio.to_thread(upgrade, settings_for(database_url))
    monkeypatch.undo()
    with pytest.raises(SchemaContractedError, match=contract):
        await ready(database_url)
    query(database_url, "DROP INDEX once")
    await ready(database_url)


async def ready(url: str) -> None:
    await Readiness(settings_for(url), normalize_database_url(url)).check()


async def test_release_is_ready_while_only_expand_revisions_are_ahead_of_it(
    database_url: str, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.add(ADD_COLUMN)
    release.add('op.execute("CREATE TABLE later (id integer)")')
    await asyncio.to_thread(upgrade, settings_for(database_url))
    contract = release.add(DROP_COLUMN, phase="contract")
    await ready(database_url)
    monkeypatch.undo()
    await ready(database_url)
    # The previous release can also be started, and its migration job run.
    await init_db(settings_for(database_url, db_auto_migrate=True), normalize_database_url(database_url))
    monkeypatch.setattr("app.db.migrator_config.ROOT", release.root)
    await asyncio.to_thread(upgrade, settings_for(database_url))
    monkeypatch.undo()
    with pytest.raises(SchemaContractedError, match=contract):
        await ready(database_url)
    with pytest.raises(MigrationFailedError, match=f"does not serve it any more: revision {contract}"):
        await asyncio.to_thread(upgrade, settings_for(database_url))


async def test_contract_that_was_reverted_does_not_count(
    database_url: str, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.add(ADD_COLUMN)
    release.add(DROP_COLUMN, ADD_COLUMN, phase="contract")
    await asyncio.to_thread(upgrade, settings_for(database_url))
    await asyncio.to_thread(downgrade, settings_for(database_url), "-1", accept_data_loss=True)
    monkeypatch.undo()
    await ready(database_url)


async def test_release_ahead_of_which_nothing_is_recorded_is_not_ready(database_url: str) -> None:
    query(database_url, "UPDATE alembic_version SET version_num = 'from_the_future'")
    with pytest.raises(SchemaContractedError, match="from_the_future"):
        await ready(database_url)


async def test_release_whose_own_revision_the_newer_one_lacks_is_not_ready(database_url: str, release: Release) -> None:
    ours = release.add(ADD_COLUMN)
    await asyncio.to_thread(upgrade, settings_for(database_url))
    renamed(database_url, ours, "theirs")
    with pytest.raises(SchemaBehindError):
        await ready(database_url)
    with pytest.raises(MigrationFailedError, match=f"theirs of another release.* {ours} of this one is not in force"):
        await asyncio.to_thread(upgrade, settings_for(database_url))
    with pytest.raises(MigrationFailedError, match="another release"):
        await init_db(settings_for(database_url, db_auto_migrate=True), normalize_database_url(database_url))


async def test_pending_expand_is_behind_and_pending_contract_is_not(database_url: str, release: Release) -> None:
    release.add('op.drop_column("tags", "color")', phase="contract")
    await ready(database_url)
    release.add(ADD_COLUMN)
    with pytest.raises(SchemaBehindError):
        await ready(database_url)
