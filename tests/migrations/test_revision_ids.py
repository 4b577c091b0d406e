"""Ids of revisions that a server cannot store or a command cannot speak of are refused before anything is done."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.settings import Settings
from app.postgres.errors import MigrationFailedError
from tests.conftest import settings_for
from tests.migrations.conftest import HEAD, Release
from tests.support.database import applied, tables
from tests.support.migrator import lint, plan, read_status, upgrade
from tests.support.processes import copied_checkout, environment, run

FAULTY = {
    "too long": ("20261130_a_revision_whose_name_is_longer_than_thirty_two", "has 56 characters"),
    "one too long": ("a" * 33, "has 33 characters"),
    "empty": ("", "is empty"),
    **{f"with {char!r}": (f"a{char}b", "would misread") for char in "@:+- '\"/é"},
    "only a space": (" ", "would misread"),
    "a symbol": ("heads", "for something else"),
    "used twice": (HEAD, "is that of 2 files"),
}


def add_file(release: Release, revision: str, annotation: str = "") -> Path:
    release.add("op.execute('CREATE TABLE later (id bigint)')")
    (file,) = (release.root / "migrations" / "versions").glob("2027*")
    text = file.read_text()
    start = text.index('revision = "')
    end = text.index("\n", start)
    file.write_text(f"{text[:start]}revision{annotation} = {revision!r}{text[end:]}")
    return file


@pytest.mark.parametrize(("revision", "what"), FAULTY.values(), ids=FAULTY)
def test_faulty_id_is_a_finding_of_lint(release: Release, revision: str, what: str) -> None:
    file = add_file(release, revision)
    findings = {finding.file: finding for finding in lint(Settings(), every=True).findings}
    found = findings[str(file)]
    assert (found.rule, found.revision) == ("revision-id", revision)
    assert what in found.message
    assert "1 to 32 letters" in found.rewrite


def test_id_with_a_type_is_read_too(release: Release) -> None:
    add_file(release, "a" * 33, ": str")
    assert [finding.rule for finding in lint(Settings(), every=True).findings] == ["revision-id"]


def test_longest_id_is_fine(database_url: str, release: Release) -> None:
    add_file(release, "a" * 32)
    assert "revision-id" not in {finding.rule for finding in lint(Settings(), ["head"]).findings}
    upgrade(settings_for(database_url))
    assert applied(database_url) == ["a" * 32]


@pytest.mark.parametrize("command", [upgrade, plan, read_status])
@pytest.mark.parametrize(("revision", "what"), [FAULTY["too long"], FAULTY["used twice"], FAULTY["with '-'"]])
def test_faulty_id_is_refused_before_anything_is_done(
    empty_database_url: str, release: Release, command: Callable[[Settings], object], revision: str, what: str
) -> None:
    add_file(release, revision)
    with pytest.raises(MigrationFailedError, match=what):
        command(settings_for(empty_database_url))
    assert tables(empty_database_url) == set()


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("alembic", "revision"), 255),
        (("litestar", "database", "make-migrations", "--no-prompt", "--no-autogenerate"), 1),
    ],
)
def test_generating_under_a_faulty_id_leaves_no_file(
    database_url: str, tmp_path: Path, command: tuple[str, ...], code: int
) -> None:
    checkout = copied_checkout(tmp_path / "checkout")
    versions = checkout / "migrations" / "versions"
    before = {file: file.read_bytes() for file in versions.glob("*.py")}
    for faulty in ("a" * 33, "a b", HEAD):
        arguments = (*command, "-m", "any", "--rev-id", faulty)
        done = run(*arguments, env=environment(DATABASE_URL=database_url), cwd=checkout)
        assert done.returncode == code, done.stdout + done.stderr
        assert f"The revision id {faulty!r}" in done.stdout + done.stderr
        assert {file: file.read_bytes() for file in versions.glob("*.py")} == before
