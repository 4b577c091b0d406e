"""What the linter says of a rename that is written as a drop and an addition, and of what a rollout needs."""

import pytest

from app.core.settings import Settings
from app.migrator.autogenerate.mirrored_column import MirroredColumn
from tests.migrations.conftest import REVISIONS, Release, autocommit, sql
from tests.support.migrator import lint

OFFLINE = Settings()
MIRROR = MirroredColumn("waves", "height", "size")
WAVES = "CREATE TABLE waves (id bigint, height text, code varchar(9), n int4)"
FILL = """
from app.migrator.backfill import Backfill
backfill = Backfill(table="waves", after="{after}", update="{update}", where="size IS NULL")
"""


@pytest.fixture
def release(whole_release: Release) -> Release:
    """The first revision, and one that makes the table `waves`."""
    whole_release.keep(REVISIONS[:1])
    whole_release.add(sql(WAVES, "CREATE TABLE troughs (id bigint, depth text)"))
    return whole_release


def findings(release: Release, *revisions: str) -> list[tuple[str, str]]:
    """Return the rule and the beginning of the message of each finding in the revisions; without one, in the newest."""
    found = lint(OFFLINE, revisions or [release.head or ""]).findings
    return [(finding.rule, finding.message.partition(":")[0]) for finding in found]


# What a contract revision does -> what is found.
LOST = {
    "a column of the same type in its place": (
        ["ALTER TABLE waves DROP code, ADD size character varying ( 9 )"],
        "drop column waves.code, and waves.size with the same type is new",
    ),
    "added first": (
        ['ALTER TABLE waves ADD "Size" text', "ALTER TABLE waves DROP COLUMN height"],
        "drop column waves.height, and waves.Size with the same type is new",
    ),
    "another word for the type": (
        ["ALTER TABLE waves ADD m integer NOT NULL DEFAULT 0", "ALTER TABLE waves DROP n"],
        "drop column waves.n, and waves.m with the same type is new",
    ),
    "a table with the same columns in its place": (
        ["CREATE TABLE hollows (depth text NOT NULL, id int8, PRIMARY KEY (id))", "DROP TABLE troughs"],
        "drop table troughs, and hollows with the same columns is new",
    ),
    "a table with similar columns in its place": (
        ["CREATE TABLE hollows (id int8, deep text)", "DROP TABLE troughs"],
        "drop table troughs, and hollows with similar columns is new",
    ),
    "a column that takes the name of another": (
        ["ALTER TABLE waves DROP height", "ALTER TABLE waves RENAME code TO height"],
        "rename column waves.code to height",
    ),
}
# The same, where the data are somewhere.
KEPT = {
    "another type": ["ALTER TABLE waves DROP height, ADD size varchar(10)"],
    "another table's": ["ALTER TABLE waves DROP height", "ALTER TABLE troughs ADD size text"],
    "copied in the revision": [
        "ALTER TABLE waves ADD size text",
        "UPDATE waves SET size = height",
        "ALTER TABLE waves DROP height",
    ],
    "its own column": ["ALTER TABLE waves ADD size text", "ALTER TABLE waves DROP size"],
    "a table with other columns": ["CREATE TABLE hollows (id bigint)", "DROP TABLE troughs"],
    "a table whose rows are copied": [
        "CREATE TABLE hollows (id bigint, depth text)",
        "INSERT INTO hollows SELECT id, depth FROM troughs",
        "DROP TABLE troughs",
    ],
    "a column renamed": ["ALTER TABLE waves RENAME height TO size"],
}


@pytest.mark.parametrize(("statements", "message"), LOST.values(), ids=LOST)
def test_rename_that_loses_data_is_found(release: Release, statements: list[str], message: str) -> None:
    release.add(sql(*statements), phase="contract")
    assert ("rename-loses-data", message) in findings(release)


@pytest.mark.parametrize("statements", KEPT.values(), ids=KEPT)
def test_rename_is_not_found_where_the_data_are_kept(release: Release, statements: list[str]) -> None:
    release.add(sql(*statements), phase="contract")
    assert "rename-loses-data" not in dict(findings(release))


def test_rename_in_two_revisions_is_found_in_the_one_that_drops(release: Release) -> None:
    release.add(sql("ALTER TABLE waves ADD size text"))
    dropped = release.add(sql("ALTER TABLE waves DROP height"), phase="contract")
    assert dict(findings(release)).keys() == {"rename-loses-data"}
    release.add(sql("SELECT 1"))
    assert dict(findings(release, dropped)).keys() == {"rename-loses-data"}


def test_reason_for_two_different_things_is_never_superfluous(release: Release) -> None:
    reason = 'lint_ignore = {"rename-loses-data": "The height was not renamed to size."}'
    first = release.add(sql("ALTER TABLE waves ADD size text"))
    dropped = release.add(sql("ALTER TABLE waves DROP height"), phase="contract", extra=reason)
    assert findings(release, first, dropped) == []
    release.keep([REVISIONS[0]])
    assert findings(release, release.add(sql("SELECT 1"), extra=reason)) == []


def test_rename_of_long_ago_is_none(release: Release) -> None:
    release.add(sql("ALTER TABLE waves ADD size text"))
    release.add(sql("SELECT 1"))
    release.add(sql("ALTER TABLE waves DROP height"), phase="contract")
    assert findings(release) == []


def backfill(release: Release, update: str) -> None:
    file = release.root / "migrations" / "backfills" / "wave_sizes.py"
    file.write_text(FILL.format(after=release.head, update=update))


REQUIRED = "requires_backfill = 'wave_sizes'"


def test_rename_whose_data_a_required_backfill_moves_is_fine(release: Release) -> None:
    release.add(sql("ALTER TABLE waves ADD size text"))
    backfill(release, "UPDATE waves SET size = height WHERE {batch}")
    release.add(sql("ALTER TABLE waves DROP height"), phase="contract", extra=REQUIRED)
    assert findings(release) == []


@pytest.mark.parametrize("requires", [REQUIRED, ""], ids=["filled", "not filled"])
@pytest.mark.parametrize("swaps", [False, True], ids=["drop", "swap"])
def test_mirrored_column_may_take_the_place_of_the_old_one_once_it_is_filled(
    release: Release, swaps: bool, requires: str
) -> None:
    first = release.add(sql("ALTER TABLE waves ADD size text", *MIRROR.create()))
    backfill(release, MIRROR.backfill_update)
    last = release.add(
        sql(
            *MIRROR.drop(),
            "ALTER TABLE waves DROP height",
            *(["ALTER TABLE waves RENAME size TO height"] if swaps else []),
        ),
        phase="contract",
        extra=requires,
    )
    expected = set() if requires else {"rename-loses-data"}
    assert dict(findings(release, first, last)).keys() == expected


def test_backfill_from_before_the_trigger_has_filled_nothing(release: Release) -> None:
    backfill(release, MIRROR.backfill_update)
    release.add(sql("SELECT 1"), extra=REQUIRED)
    release.add(sql("ALTER TABLE waves ADD size text", *MIRROR.create()))
    release.add(sql(*MIRROR.drop(), "ALTER TABLE waves DROP height"), phase="contract")
    assert dict(findings(release)).keys() == {"rename-loses-data"}


def test_swap_after_the_trigger_was_dropped_is_found(release: Release) -> None:
    release.add(sql("ALTER TABLE waves ADD size text", *MIRROR.create()))
    backfill(release, MIRROR.backfill_update)
    release.add(sql(*MIRROR.drop()), phase="contract", extra=REQUIRED)
    release.add(sql("ALTER TABLE waves DROP height", "ALTER TABLE waves RENAME size TO height"), phase="contract")
    assert dict(findings(release)).keys() == {"rename-loses-data"}


# In an expand revision.
MIRRORS = {
    "of a new column": (
        sql("ALTER TABLE waves ADD size text", "ALTER TABLE waves ALTER size SET DEFAULT ''", *MIRROR.create()),
        [],
    ),
    "of an old column": (
        sql(*MirroredColumn("waves", "height", "code").create()),
        ["contract-step-in-expand"],
    ),
    "of another table's columns": (
        sql("ALTER TABLE waves ADD size text", *(part.replace("ON waves", "ON troughs") for part in MIRROR.create())),
        ["contract-step-in-expand", "several-tables-locked"],
    ),
    "with a function that does more": (
        sql(
            "ALTER TABLE waves ADD size text",
            *(part.replace("RETURN NEW", "DELETE FROM troughs; RETURN NEW") for part in MIRROR.create()),
        ),
        ["contract-step-in-expand"],
    ),
}


@pytest.mark.parametrize(("code", "expected"), MIRRORS.values(), ids=MIRRORS)
def test_trigger_of_a_mirrored_column_is_no_contract_step(release: Release, code: str, expected: list[str]) -> None:
    release.add(code)
    assert [rule for rule, _ in findings(release)] == expected


def test_unique_index_of_a_mirrored_column_is_no_contract_step(release: Release) -> None:
    build = "CREATE UNIQUE INDEX CONCURRENTLY u ON waves ({})"
    release.add(sql("ALTER TABLE waves ADD size text", *MIRROR.create()))
    release.add(autocommit(build.format("size")))
    assert findings(release) == []
    release.add(autocommit(build.format("code")))
    assert dict(findings(release)).keys() == {"contract-step-in-expand"}


# In a contract revision -> what is found.
ADDED = {
    "a column beside a drop": (["ALTER TABLE waves ADD size bigint", "ALTER TABLE waves DROP code"], True),
    "a table beside a drop": (["CREATE TABLE foam (id bigint)", "ALTER TABLE waves DROP code"], True),
    "a column alone": (["ALTER TABLE waves ADD size bigint"], False),
    "a column in the place of another": (
        ["ALTER TABLE waves DROP code", "ALTER TABLE waves ADD code bigint"],
        False,
    ),
    "a table in the place of another": (["DROP TABLE troughs", "CREATE TABLE troughs (id bigint)"], False),
    "a temporary table": (["CREATE TEMP TABLE foam (id bigint)", "ALTER TABLE waves DROP code"], False),
    "a constraint": (["ALTER TABLE waves ADD CONSTRAINT c CHECK (n > 0) NOT VALID"], False),
}


@pytest.mark.parametrize(("statements", "is_found"), ADDED.values(), ids=ADDED)
def test_addition_in_a_contract_revision_is_found(release: Release, statements: list[str], is_found: bool) -> None:
    release.add(sql(*statements), phase="contract")
    assert ("added-in-contract" in dict(findings(release))) is is_found


# In a contract revision -> what is found; the first revision has made the table `boards`, which the models have.
USED = {
    "a column of the models": (["ALTER TABLE boards DROP objective"], True),
    "a table of the models": (["DROP TABLE boards"], True),
    "a column that nobody has": (["ALTER TABLE waves DROP code"], False),
    "a table of another schema": (["DROP TABLE other.boards"], False),
    "a column that comes back": (["ALTER TABLE boards DROP objective", "ALTER TABLE boards ADD objective text"], False),
    "a column whose name another gets": (
        ["ALTER TABLE boards DROP objective", "ALTER TABLE boards RENAME name TO objective"],
        False,
    ),
    "a table that is made anew": (["DROP TABLE boards", "CREATE TABLE boards (id uuid)"], False),
}


@pytest.mark.parametrize(("statements", "is_found"), USED.values(), ids=USED)
def test_drop_of_what_the_models_have_is_found(release: Release, statements: list[str], is_found: bool) -> None:
    release.add(sql(*statements), phase="contract")
    assert ("dropped-but-used" in dict(findings(release))) is is_found
