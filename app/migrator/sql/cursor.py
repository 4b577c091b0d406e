"""A cursor that reads the words of a statement."""

from collections.abc import Iterator, Sequence

from .names import qualified
from .tokens import Word

# What follows the first word of an expression, and never a column in a list.
_AFTER_EXPRESSION_START = frozenset({"(", ".", "::"})


class Cursor:
    """Reads words from the left."""

    def __init__(self, words: Sequence[Word]) -> None:
        self._left = list(words)

    def __bool__(self) -> bool:
        return bool(self._left)

    @property
    def left(self) -> Sequence[Word]:
        """The words that were not read yet."""
        return self._left

    def comes(self, *keywords: str) -> bool:
        """Return whether these keywords come next, in a row."""
        left = self._left
        # Most calls end at the first word: they are too many for a list of the rest.
        if len(left) < len(keywords) or left[0].keyword != keywords[0]:
            return False
        return [word.keyword for word in left[: len(keywords)]] == list(keywords)

    def skip(self, *keywords: str) -> bool:
        """Go past these keywords if they come next, in a row. Returns whether they did."""
        found = self.comes(*keywords)
        if found:
            del self._left[: len(keywords)]
        return found

    def has(self, *keywords: str) -> bool:
        """Return whether these keywords are left somewhere, in a row."""
        words = [word.keyword for word in self._left]
        return any(
            words[start : start + len(keywords)] == list(keywords)
            for start, word in enumerate(words)
            if word == keywords[0]
        )

    def skip_any(self, keywords: frozenset[str]) -> None:
        """Go past the keywords that come next, as long as each is one of these."""
        while self._left and self._left[0].keyword in keywords:
            del self._left[0]

    def skip_if_exists(self) -> bool:
        """Go past IF EXISTS or IF NOT EXISTS. Returns whether it was there."""
        return self.skip("IF", "EXISTS") or self.skip("IF", "NOT", "EXISTS")

    def pop(self) -> Word:
        return self._left.pop(0)

    def name(self) -> str:
        """Read the next name, as effects have it; empty at the end."""
        schema, name = "", self.pop().name if self else ""
        while self.skip("."):
            schema, name = name, self.pop().name if self else ""
        return qualified(schema, name)

    def names(self) -> Iterator[str]:
        """Yield the names between the commas, without what follows each, such as CASCADE or parameters."""
        for part in self.parts():
            yield part.name()

    def column(self) -> str:
        """Read the next name, as the name of a column; empty at the end."""
        return self.pop().name if self else ""

    def column_names(self) -> tuple[str, ...]:
        """Return what stands between the commas, if each is a column and not an expression; nothing otherwise."""
        parts = [part.left for part in self.parts()]
        if not all(
            part[0].is_name and (len(part) == 1 or part[1].keyword not in _AFTER_EXPRESSION_START) for part in parts
        ):
            return ()
        return tuple(part[0].name for part in parts)

    def parts(self) -> Iterator["Cursor"]:
        """Yield what stands between the commas that are in no parentheses."""
        part: list[Word] = []
        depth = 0
        for word in self._left:
            depth += {"(": 1, ")": -1}.get(word.keyword, 0)
            if word.keyword == "," and not depth:
                yield Cursor(part)
                part = []
            else:
                part.append(word)
        if part:
            yield Cursor(part)

    def group(self) -> "Cursor":
        """Read the next parentheses, going past what stands before them. Returns what they hold."""
        inner: list[Word] = []
        depth = 0
        while self._left:
            word = self._left.pop(0)
            depth -= word.keyword == ")"
            if depth:
                inner.append(word)
            depth += word.keyword == "("
            if not depth and word.keyword == ")":
                break
        return Cursor(inner)

    def outside_groups(self) -> list[str]:
        """Return the keywords that are left and in no parentheses."""
        found = []
        depth = 0
        for word in self._left:
            depth += {"(": 1, ")": -1}.get(word.keyword, 0)
            if not depth:
                found.append(word.keyword)
        return found
