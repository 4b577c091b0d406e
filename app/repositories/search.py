"""Full text search, in English: words by their stems, `"a phrase"`, `or`, and `-word` for what must be missing."""

from sqlalchemy import ColumnElement, func, literal_column
from sqlalchemy.orm import InstrumentedAttribute

_LANGUAGE: ColumnElement[str] = literal_column("'english'")


def matches(
    title: InstrumentedAttribute[str],
    rest: InstrumentedAttribute[str] | InstrumentedAttribute[str | None],
    wanted: str | ColumnElement[str],
) -> ColumnElement[bool]:
    """Return whether both texts together match the search; the tables have an index of the same expression."""
    words = func.to_tsvector(_LANGUAGE, title + literal_column("' '") + func.coalesce(rest, literal_column("''")))
    return words.op("@@")(func.websearch_to_tsquery(_LANGUAGE, wanted))
