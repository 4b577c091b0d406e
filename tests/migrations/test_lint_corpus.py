"""What the linter says of operations that published lists call unsafe, and of their safe ways."""

from collections import Counter

import pytest

from tests.benchmarks.lint_comparison import compare
from tests.support.processes import ROOT
from tests.support.unsafe_operations import OPERATIONS, TABLE, found


@pytest.mark.parametrize("number", range(len(OPERATIONS)), ids=[each.what for each in OPERATIONS])
def test_operation_is_found_by_these_rules(number: int) -> None:
    assert found()[number] == OPERATIONS[number].rules


def test_operation_is_found_or_there_is_a_reason_why_not() -> None:
    for each in OPERATIONS:
        assert bool(each.rules) != bool(each.reason), each.what


def test_two_safe_ways_at_most_are_found_on_purpose() -> None:
    (start,) = [
        place for place, line in enumerate(TABLE) if line.startswith("# Safe by the lists, and found on purpose")
    ]
    assert len(TABLE[start + 1 :]) <= 2


def test_every_list_is_in_the_table() -> None:
    counts = Counter(name for each in OPERATIONS for name in each.lists.split())
    assert set(counts) == {"SM", "SQ", "EU", "DJ", "AT", "GL", "HA"}
    assert min(counts.values()) > 10


def test_comparison_with_squawk_alone_is_what_the_benchmarks_page_says() -> None:
    page = (ROOT / "tests" / "benchmarks" / "README.md").read_text()
    ours, squawk = compare(None)
    assert ours.found == sum(bool(each.rules) for each in OPERATIONS[: ours.unsafe])
    assert squawk.found < ours.found
    for each in (ours, squawk):
        assert each.as_markdown() in page
