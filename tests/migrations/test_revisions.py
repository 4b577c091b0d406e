"""The chain of revisions, and what single ones of them do."""

from collections.abc import Callable
from types import ModuleType

import pytest
from alembic.script import Script

from app.db.migrator_config import ROOT, migrator_config
from app.migrator.partitions.tables import default_partition, is_partitioned
from app.migrator.phase import Phase
from app.migrator.revisions.loading import copy_revisions
from app.migrator.revisions.schema_state import tables_created_by
from app.models import metadata
from app.postgres.errors import MigrationFailedError
from tests.conftest import settings_for
from tests.migrations.conftest import REVISIONS, Release
from tests.support.database import insert, query
from tests.support.migrator import load_revisions, upgrade

SETTINGS = settings_for("postgresql://unused@localhost/unused")


def test_there_is_one_line_of_revisions_with_one_head() -> None:
    assert len(REVISIONS) >= 4
    assert len(load_revisions(SETTINGS).get_heads()) == 1


def test_files_are_named_by_date_and_slug() -> None:
    for script in load_revisions(SETTINGS).walk_revisions():
        name = script.path.rsplit("/", 1)[-1]
        year, month, day, _, slug = name.removesuffix(".py").split("_", 4)
        assert len(year) == 4
        assert 1 <= int(month) <= 12
        assert 1 <= int(day) <= 31
        assert slug
    assert (ROOT / "migrations" / "script.py.mako").exists()


def test_tasks_of_before_the_priority_keep_theirs_and_get_one(empty_database_url: str) -> None:
    settings = settings_for(empty_database_url)
    upgrade(settings, REVISIONS[0])
    organization = insert(empty_database_url, "organizations", name="o")
    board = insert(empty_database_url, "boards", organization_id=organization, name="b", slug="b", description="")
    for title, priority in (("set", "high"), ("unset", None)):
        insert(empty_database_url, "tasks", board_id=board, title=title, priority=priority)
    upgrade(settings, phase=Phase.EXPAND)
    rows = query(empty_database_url, "SELECT title, priority, due_at FROM tasks ORDER BY title")
    assert rows == [("set", "high", None), ("unset", "medium", None)]


def test_index_made_concurrently_is_valid(database_url: str) -> None:
    assert query(database_url, "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid") == []
    assert query(
        database_url, "SELECT count(*) FROM pg_indexes WHERE indexname = 'ix_tasks_board_id_status_created_at_id'"
    ) == [(1,)]


def test_tables_that_revisions_create_are_read_from_their_sql() -> None:
    directory = load_revisions(SETTINGS)
    every = [directory.get_revision(revision) for revision in REVISIONS]
    first = tables_created_by(script for script in every[:1] if script)
    later = tables_created_by(script for script in every[1:] if script)
    assert first is not None
    assert later is not None
    partitions = {default_partition(table.name) for table in metadata.sorted_tables if is_partitioned(table)}
    assert first | later == set(metadata.tables) | partitions
    assert "tasks" in first - later
    assert "agents" in later - first


def test_revision_that_a_command_writes_is_none_of_the_next_one() -> None:
    config = migrator_config(SETTINGS)
    written = ModuleType("written")
    vars(written).update(revision="written", down_revision=REVISIONS[-1])
    first, second = copy_revisions(config), copy_revisions(config)
    first.add_revision(Script(written, "written", "written.py"))
    assert list(first.iterate_revisions("heads", REVISIONS[-1])) == [first.get_revision("written")]
    assert second.heads == copy_revisions(config).heads == (REVISIONS[-1],)
    assert [one.revision for one in second.iterate_revisions("heads", "base")] == REVISIONS[::-1]
    modules = {vars(each.get_revision("head"))["module"] for each in (second, load_revisions(SETTINGS))}
    assert len(modules) == 1, "the files are read once"


@pytest.mark.parametrize("head", ["head", "heads"])
def test_upgrading_again_does_nothing(database_url: str, dump_schema: Callable[[str], str], head: str) -> None:
    before = dump_schema(database_url)
    upgrade(settings_for(database_url), head)
    assert dump_schema(database_url) == before


def test_revisions_are_read_again_once_a_file_has_changed_and_not_before(release: Release) -> None:
    before = load_revisions(SETTINGS)
    assert load_revisions(SETTINGS) is before
    added = release.add("pass")
    assert load_revisions(SETTINGS).get_heads() == [added]
    (file,) = (release.root / "migrations" / "versions").glob("*_test.py")
    file.write_text(file.read_text().replace("def upgrade():", "def upgrades():"))
    for _ in range(2):
        with pytest.raises(MigrationFailedError, match=r"has no upgrade\(\)"):
            load_revisions(SETTINGS)
    file.unlink()
    assert load_revisions(SETTINGS).get_heads() == before.get_heads()
    (release.root / "migrations" / "backfills" / "broken.py").write_text("after = None\n")
    with pytest.raises(MigrationFailedError, match="broken"):
        load_revisions(SETTINGS)
