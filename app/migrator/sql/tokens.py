"""SQL as the words that it is made of: statements apart, and a cursor that reads one of them.

The words are sqlglot's, which knows PostgreSQL's strings, dollar quotes and comments. Its parser is not used: it takes
`ALTER TABLE t RENAME a TO b` for the renaming of a table, drops NOT VALID, and gives up on a whole ALTER TABLE of which
it does not know one action.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from sqlglot import Token, TokenType


class UnreadableSqlError(Exception):
    """A quote or a comment that does not end."""


@dataclass(frozen=True)
class Word:
    """`text` is a name, a keyword, a number, a sign or the content of a string; `line` counts from 1.

    `quoted`: in double quotes, so that it is a name as it stands; `literal`: a string.
    """

    text: str
    line: int
    quoted: bool = False
    literal: bool = False

    @property
    def keyword(self) -> str:
        """In capitals; empty for what can be none."""
        return "" if self.quoted or self.literal else self.text.upper()

    @property
    def name(self) -> str:
        """As PostgreSQL stores it: what is not quoted is folded."""
        return self.text if self.quoted else self.text.lower()


@dataclass(frozen=True)
class Statement:
    """`text` is without the semicolon and the comments before it; `line` is where it begins, from 1."""

    text: str
    words: tuple[Word, ...]

    @property
    def line(self) -> int:
        return self.words[0].line

    @property
    def head(self) -> str:
        return self.words[0].keyword

    def has(self, keyword: str) -> bool:
        return any(word.keyword == keyword for word in self.words)


def statements_of(sql: str) -> Iterator[Statement]:
    """The statements of `sql`, in order. Raises UnreadableSqlError."""
    words: list[Word] = []
    start = end = depth = 0
    for token in _tokens(sql):
        for word in _words(token):
            depth += _nesting(word, words[-1:], depth)
            if word.keyword == ";" and not depth:
                if words:
                    yield Statement(sql[start:end], tuple(words))
                words = []
            else:
                start, end = (start if words else token.start), token.end + 1
                words.append(word)
    if words:
        yield Statement(sql[start:end], tuple(words))


def _tokens(sql: str) -> Iterable["Token"]:
    # Imported here because it takes as long as all of Alembic, and a server at head has no use for it.
    from sqlglot.dialects.postgres import Postgres  # noqa: PLC0415
    from sqlglot.errors import TokenError  # noqa: PLC0415

    class Tokenizer(Postgres.Tokenizer):
        # Those after which it would take the rest of the statement for one string.
        COMMANDS: ClassVar[set["TokenType"]] = set()

    try:
        return Tokenizer(dialect=Postgres).tokenize(sql)
    except TokenError as exc:
        raise UnreadableSqlError(str(exc)) from exc


def _words(token: "Token") -> Iterator[Word]:
    kind = token.token_type.name
    if kind == "IDENTIFIER":
        yield Word(token.text, token.line, quoted=True)
    elif kind == "STRING" or kind.endswith("_STRING"):
        yield Word(token.text, token.line, literal=True)
    else:
        # PRIMARY KEY and the like are one token.
        yield from (Word(text, token.line) for text in token.text.split())


def _nesting(word: Word, before: Sequence[Word], depth: int) -> int:
    """How much deeper the word leads into a function's body of BEGIN ATOMIC … END, whose semicolons end nothing."""
    if word.keyword == "ATOMIC" and before and before[0].keyword == "BEGIN":
        return 1
    if depth and word.keyword in {"CASE", "END"}:
        return 1 if word.keyword == "CASE" else -1
    return 0


# The schemas that a name needs not say.
_SEARCHED = frozenset({"", "public", "pg_catalog"})
# What follows the first word of an expression, and never a column in a list.
_OF_EXPRESSIONS = frozenset({"(", ".", "::"})


def qualified(schema: str, name: str) -> str:
    """The name as effects have it."""
    return name if schema in _SEARCHED else f"{schema}.{name}"


def beside(other: str, name: str) -> str:
    """The name of what is in the schema of `other`."""
    return qualified(other.rpartition(".")[0], name)


class Cursor:
    """Reads words from the left."""

    def __init__(self, words: Sequence[Word]) -> None:
        self._left = list(words)

    def __bool__(self) -> bool:
        return bool(self._left)

    @property
    def left(self) -> Sequence[Word]:
        return self._left

    def comes(self, *keywords: str) -> bool:
        return [word.keyword for word in self._left[: len(keywords)]] == list(keywords)

    def skip(self, *keywords: str) -> bool:
        """Goes past these keywords if they come next, in a row; whether they did."""
        found = self.comes(*keywords)
        if found:
            del self._left[: len(keywords)]
        return found

    def has(self, *keywords: str) -> bool:
        """Whether these keywords are left somewhere, in a row."""
        return any(Cursor(self._left[start:]).comes(*keywords) for start in range(len(self._left)))

    def skip_any(self, keywords: frozenset[str]) -> None:
        while self._left and self._left[0].keyword in keywords:
            del self._left[0]

    def skip_if_exists(self) -> bool:
        return self.skip("IF", "EXISTS") or self.skip("IF", "NOT", "EXISTS")

    def pop(self) -> Word:
        return self._left.pop(0)

    def name(self) -> str:
        """The next name, with its schema unless that is `public` or PostgreSQL's own; empty at the end."""
        schema, name = "", self.pop().name if self else ""
        while self.skip("."):
            schema, name = name, self.pop().name if self else ""
        return qualified(schema, name)

    def names(self) -> Iterator[str]:
        """Names with commas between them, without what follows each, such as CASCADE or a function's parameters."""
        for part in self.parts():
            yield part.name()

    def column_names(self) -> tuple[str, ...]:
        """Of the parts between the commas, if each is a column and not an expression; none otherwise."""
        parts = list(self.parts())
        if any(len(part.left) > 1 and part.left[1].keyword in _OF_EXPRESSIONS for part in parts):
            return ()
        return tuple(part.name() for part in parts)

    def parts(self) -> Iterator["Cursor"]:
        """What stands between the commas, those in parentheses left alone."""
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
        """What the next parentheses hold, whatever stands before them; the cursor is then behind them."""
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
        """The keywords that are left and not in parentheses."""
        found = []
        depth = 0
        for word in self._left:
            depth += {"(": 1, ")": -1}.get(word.keyword, 0)
            if not depth:
                found.append(word.keyword)
        return found
