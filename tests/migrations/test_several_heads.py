"""Two revisions that follow the same one: every command says how to join them, and the join needs nothing by hand."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from alembic import command
from structlog.testing import capture_logs

from app.core.settings import Settings
from app.db.startup_policy import init_db
from app.migrator.revisions.loading import join_heads
from app.postgres.errors import MigrationFailedError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.migrations.conftest import HEAD, Release
from tests.support.database import applied
from tests.support.migrator import alembic_config, downgrade, lint, plan, upgrade
from tests.support.processes import copied_checkout, environment, run

WAYS: dict[str, Callable[[Settings], object]] = {
    "upgrade": upgrade,
    "plan": plan,
    "printed SQL": partial(upgrade, sql=True),
}


def fork(versions: Path) -> None:
    """Adds a second file that follows what the newest one follows, and changes nothing."""
    newest = max(versions.glob("*.py"))
    (follows,) = re.findall(r"^down_revision = .*$", newest.read_text(), re.MULTILINE)
    newest.with_name("2027_01_01_0002_other.py").write_text(
        f'"""Another."""\n\nrevision = "another"\n{follows}\nbranch_labels = None\ndepends_on = None\n'
        'phase = "expand"\n\n\ndef upgrade() -> None:\n    pass\n\n\ndef downgrade() -> None:\n    pass\n'
    )


@pytest.fixture
def forked(whole_release: Release) -> Release:
    whole_release.add("pass")
    fork(whole_release.root / "migrations" / "versions")
    return whole_release


@pytest.mark.parametrize("way", WAYS)
def test_command_to_head_says_how_to_join_them(database_url: str, forked: Release, way: str) -> None:
    with pytest.raises(MigrationFailedError) as caught:
        WAYS[way](settings_for(database_url))
    assert "there are 2 heads" in str(caught.value)
    assert f"`{join_heads()}`" in str(caught.value)
    assert "another" in str(caught.value)


def test_both_branches_are_applied_by_heads_and_reverted(database_url: str, forked: Release) -> None:
    before = applied(database_url)
    upgrade(settings_for(database_url), "heads")
    assert len(applied(database_url)) == 2
    downgrade(settings_for(database_url), before[0], accept_data_loss=True)
    assert applied(database_url) == before


@pytest.mark.parametrize("auto_migrate", [True, False])
async def test_start_up_says_how_to_join_them(database_url: str, forked: Release, auto_migrate: bool) -> None:
    said = ""
    with capture_logs() as logs:
        try:
            await init_db(
                settings_for(database_url, db_auto_migrate=auto_migrate), normalize_database_url(database_url)
            )
        except MigrationFailedError as exc:
            said = str(exc)
    assert f"`{join_heads()}`" in (said or str(logs))


def test_commands_say_it_and_what_they_say_to_type_joins_them(database_url: str, tmp_path: Path) -> None:
    checkout = copied_checkout(tmp_path / "checkout")
    versions = checkout / "migrations" / "versions"
    fork(versions)
    env = environment(DATABASE_URL=database_url)
    for typed in (
        ("alembic", "check"),
        ("litestar", "database", "check"),
        ("alembic", "revision", "--autogenerate", "-m", "x"),
        ("litestar", "database", "make-migrations", "--no-prompt", "-m", "x"),
        ("litestar", "database", "make-migrations", "--no-prompt", "--no-autogenerate", "-m", "x"),
        ("litestar", "database", "upgrade", "--no-prompt"),
        ("alembic", "upgrade", "head"),
        ("litestar", "database", "lint", "--all"),
        ("litestar", "database", "status"),
        ("litestar", "database", "doctor"),
    ):
        done = run(*typed, env=env, cwd=checkout)
        assert "litestar database merge" in " ".join((done.stdout + done.stderr).split()), (typed, done)
    joined = run("litestar", "database", "merge", "heads", "--message", "join the heads", env=env, cwd=checkout)
    assert joined.returncode == 0, joined.stderr
    (merge,) = versions.glob("*join_the_heads.py")
    assert '\nphase = "expand"\n' in merge.read_text()
    for typed in (
        ("litestar", "database", "upgrade", "--no-prompt"),
        ("litestar", "database", "status", "--check"),
        ("litestar", "database", "downgrade", "--no-prompt", "--accept-data-loss", HEAD),
        ("litestar", "database", "upgrade", "--no-prompt"),
        ("litestar", "database", "lint", "--all"),
    ):
        done = run(*typed, env=env, cwd=checkout)
        assert done.returncode == 0, (typed, done)


def test_way_back_over_a_join_wants_the_revision_named(database_url: str, forked: Release) -> None:
    command.merge(alembic_config(Settings()), "heads", message="join")
    upgrade(settings_for(database_url))
    with pytest.raises(MigrationFailedError, match="name the one that is meant"):
        downgrade(settings_for(database_url), "-1")


def test_alembic_merge_has_a_phase_and_passes_lint(forked: Release) -> None:
    command.merge(alembic_config(Settings()), "heads", message="join")
    assert lint(Settings(), ["head"]).findings == ()
