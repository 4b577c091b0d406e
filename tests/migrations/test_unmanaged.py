"""Tables of ours without a recorded revision: an upgrade says what to do instead of creating them again."""

from collections.abc import Callable
from functools import partial

import pytest

from app.core.settings import Settings
from app.models import metadata
from app.postgres.errors import MigrationFailedError
from tests.conftest import settings_for
from tests.support.database import query, tables
from tests.support.drift import connection
from tests.support.migrator import plan, upgrade
from tests.support.processes import environment, run


@pytest.fixture
def unmanaged_url(empty_database_url: str) -> str:
    with connection(empty_database_url) as opened, opened.begin():
        metadata.create_all(opened)
    return empty_database_url


@pytest.mark.parametrize("command", [upgrade, plan, partial(upgrade, revision="+1")])
def test_upgrade_of_tables_that_the_models_made_says_stamp(
    unmanaged_url: str, command: Callable[[Settings], object]
) -> None:
    with pytest.raises(MigrationFailedError, match="`litestar database stamp head` adopts them") as caught:
        command(settings_for(unmanaged_url))
    assert "are there already (" in str(caught.value)
    assert tables(unmanaged_url) == set(metadata.tables)


def test_emptied_version_table_is_said_in_the_same_words(database_url: str) -> None:
    query(database_url, "DELETE FROM alembic_version")
    with pytest.raises(MigrationFailedError, match="alembic_version is missing or empty"):
        upgrade(settings_for(database_url))


def test_what_the_message_says_adopts_the_tables(unmanaged_url: str) -> None:
    env = environment(DATABASE_URL=unmanaged_url)
    refused = run("alembic", "upgrade", "head", env=env)
    assert (refused.returncode, "stamp head" in refused.stderr) == (3, True), refused.stderr
    for command in ("drift", "stamp head", "upgrade --no-prompt", "status --check"):
        done = run("litestar", "database", *command.split(), env=env)
        assert done.returncode == 0, done.stderr


def test_tables_of_another_application_do_not_keep_from_upgrading(empty_database_url: str) -> None:
    query(empty_database_url, "CREATE TABLE theirs (id int)")
    upgrade(settings_for(empty_database_url))
    assert tables(empty_database_url) >= {"theirs", *metadata.tables}
