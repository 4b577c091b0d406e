"""Which changes of a type keep every value: what the server casts implicitly may round."""

from types import SimpleNamespace
from typing import Any

import pytest

from app.migrator.drift.lossless_casts import keeps_values

# Two types, the context of the server's cast, and whether every value stays what it is.
CASTS = [
    ("smallint", "real", "i", True),
    ("integer", "real", "i", False),
    ("integer", "double precision", "i", True),
    ("bigint", "double precision", "i", False),
    ("numeric", "double precision", "i", False),
    ("numeric", "real", "i", False),
    ("real", "double precision", "i", True),
    ("double precision", "real", "a", False),
    ("bigint", "numeric", "i", True),
    ("bigint", "integer", "a", False),
    ("bigint", "text", "a", True),
    ("numeric[]", "real[]", None, False),
    ("numeric[]", "numeric[]", None, True),
]


@pytest.mark.parametrize(("old", "new", "context", "keeps"), CASTS)
def test_cast_keeps_every_value(old: str, new: str, context: str | None, keeps: bool) -> None:
    before, after = _column(old), _column(new)
    assert keeps_values(before, after, context) is keeps


def _column(base: str) -> Any:
    return SimpleNamespace(base=base, is_string=base == "text")
