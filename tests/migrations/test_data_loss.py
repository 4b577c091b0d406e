"""What a downgrade would lose: counted and said before anything is changed."""

import pytest

from app.core.settings import Environment
from app.migrator.execution.data_loss import DataLossRefusedError
from tests.conftest import settings_for
from tests.migrations.conftest import Release
from tests.support.database import applied, query
from tests.support.migrator import downgrade, preview_downgrade, upgrade
from tests.support.processes import environment, run


def test_downgrade_outside_dev_is_refused_and_says_what_would_be_lost(database_url: str) -> None:
    query(database_url, "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'o')")
    before = applied(database_url)
    with pytest.raises(DataLossRefusedError) as refused:
        downgrade(settings_for(database_url), "base")
    message = str(refused.value)
    assert "table organizations: 1 rows (revision 1d9c6f0b7a31)" in message
    assert "column tasks.due_at: 0 values (revision 5b2e8a4c9d17)" in message
    assert "restore" in message
    assert "--accept-data-loss" in message
    assert applied(database_url) == before
    for words in (("alembic", "downgrade", "base"), ("litestar", "database", "downgrade", "base", "--no-prompt")):
        result = run(*words, env=environment(DATABASE_URL=database_url))
        assert result.returncode == 1, result.stderr
        assert "Traceback" not in result.stderr
        assert applied(database_url) == before
    accepted = ("alembic", "-x", "accept-data-loss", "downgrade", "-1")
    assert run(*accepted, env=environment(DATABASE_URL=database_url)).returncode == 0
    assert applied(database_url) != before


@pytest.mark.parametrize(
    "statement",
    [
        "DO $$ BEGIN DELETE FROM tags; END $$",
        "DROP SCHEMA other CASCADE",
        "ALTER TABLE tags ALTER color TYPE varchar(1)",
    ],
)
def test_what_may_lose_more_than_can_be_counted_says_so(database_url: str, release: Release, statement: str) -> None:
    release.add("pass", f'op.execute("{statement}")')
    settings = settings_for(database_url, environment=Environment.DEV)
    upgrade(settings)
    assert [loss.what for loss in preview_downgrade(settings, "-1")[1]] == ["what cannot be known from its SQL"]


def test_losses_are_counted_without_changing_anything(database_url: str, release: Release) -> None:
    query(database_url, "CREATE SCHEMA other")
    query(database_url, "CREATE TABLE other.tags AS SELECT 1 AS id")
    release.add("pass", 'op.drop_table("tags", schema="other")')
    release.add("pass", 'op.get_bind().exec_driver_sql("SELECT 1").scalar() + 1')
    settings = settings_for(database_url, environment=Environment.DEV)
    upgrade(settings)
    _, found = preview_downgrade(settings, "-2")
    assert [(loss.what, loss.rows) for loss in found] == [
        ("what cannot be known from its SQL", None),
        ("table other.tags", 1),
    ]
    assert applied(database_url) == [release.head]
