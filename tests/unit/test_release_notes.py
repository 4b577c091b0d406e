"""RELEASES.md: what an upgrade to each release does to the schema."""

import re

from app import __version__
from tests.support.processes import ROOT
from tests.support.releases import NOTES


def test_every_revision_is_named_once_with_its_phase() -> None:
    declared = [
        (revision[1], phase[1])
        for path in (ROOT / "migrations" / "versions").glob("*.py")
        if (revision := re.search(r'^revision = "(\w+)"', path.read_text(), re.MULTILINE))
        and (phase := re.search(r'^phase = "(\w+)"', path.read_text(), re.MULTILINE))
    ]
    assert declared
    named = re.findall(r"^\| `(\w+)` \| (\w+) \| \S", NOTES.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(declared)


def test_every_backfill_is_named_once() -> None:
    named = re.findall(r"^- `(\w+)`", NOTES.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(path.stem for path in (ROOT / "migrations" / "backfills").glob("*.py"))


def test_present_release_comes_first_and_each_before_it_names_its_commit() -> None:
    present, *earlier = re.split(r"^## ", NOTES.read_text(), flags=re.MULTILINE)[1:]
    assert present.splitlines()[0] == __version__
    assert earlier
    assert all(re.search(r"^Commit: `[0-9a-f]{40}`$", release, re.MULTILINE) for release in earlier)
