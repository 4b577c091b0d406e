"""SQL as the words that it is made of: statements apart, and a cursor that reads one of them.

The words are found by the rules of PostgreSQL's own scanner ("Lexical Structure" in its manual), which no library
follows whose licence and size suit a server: sqlglot's words break at `$1,$2` and at `U&"name"`, and its parser takes
`ALTER TABLE t RENAME a TO b` for the renaming of a table, drops NOT VALID, and gives up on a whole ALTER TABLE of which
it does not know one action.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final


class UnreadableSqlError(Exception):
    """A quote or a comment that does not end."""


# PostgreSQL cuts longer names off.
_LONGEST_NAME: Final = 63


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a statement; it stands at `start` to `end` in the text.

    `text` is a name, a keyword, a number, a sign or the content of a string. `quoted`: in double quotes, so that it is
    a name as it stands. `literal`: a string. `keyword` is the word in capitals, and empty where it can be no keyword.
    """

    text: str
    start: int
    end: int
    quoted: bool = False
    literal: bool = False
    keyword: str = ""

    @property
    def name(self) -> str:
        """The name as PostgreSQL stores it: ASCII letters in lower case unless it is quoted, and cut off."""
        return _stored_name(self.text, self.quoted)

    @property
    def is_name(self) -> bool:
        """Whether it is a name or a keyword, and no number, sign or string."""
        return self.quoted or (not self.literal and bool(_NAME_START.match(self.text)))


# The same words come again and again.
@lru_cache(10_000)
def _stored_name(text: str, quoted: bool) -> str:
    folded = text if quoted else re.sub("[A-Z]+", lambda capitals: capitals[0].lower(), text)
    return folded.encode()[:_LONGEST_NAME].decode(errors="ignore")


@lru_cache(10_000)
def _keyword(text: str) -> str:
    return text.upper() if text.isascii() else ""


@dataclass(frozen=True)
class Statement:
    """A statement without its semicolon and the comments before it; `line` is where it begins, from 1."""

    text: str
    line: int
    words: tuple[Word, ...]

    @property
    def head(self) -> str:
        return self.words[0].keyword

    def has(self, keyword: str) -> bool:
        return any(word.keyword == keyword for word in self.words)


def statements_of(sql: str) -> Iterator[Statement]:
    """Yield the statements of `sql` in their order. Raises UnreadableSqlError."""
    line, counted = 1, 0
    for words in _split(scan(sql)):
        start = words[0].start
        line += sql.count("\n", counted, start)
        counted = start
        yield Statement(sql[start : words[-1].end], line, tuple(words))


def _split(words: Iterable[Word]) -> Iterator[list[Word]]:
    """Yield the words of each statement, without empty ones."""
    statement: list[Word] = []
    body = groups = 0
    for word in words:
        body += _body_depth(word, statement[-1:], body)
        # Within CREATE RULE … DO (…; …).
        groups += {"(": 1, ")": -1}.get(word.keyword, 0)
        if word.keyword != ";" or body or groups > 0:
            statement.append(word)
        elif statement:
            yield statement
            statement, groups = [], 0
    if statement:
        yield statement


def _body_depth(word: Word, before: Sequence[Word], depth: int) -> int:
    """Return how much deeper the word leads into a body of BEGIN ATOMIC … END, whose semicolons end no statement."""
    if word.keyword == "ATOMIC" and before and before[0].keyword == "BEGIN":
        return 1
    if depth and word.keyword in {"CASE", "END"}:
        return 1 if word.keyword == "CASE" else -1
    return 0


_NAME_START = re.compile(r"[A-Za-z_\u0080-\U0010ffff]")
_NAME = r"[A-Za-z_\u0080-\U0010ffff][\w$\u0080-\U0010ffff]*"
# The groups' names are the kinds of words; the first that fits. A quote that does not end fits none.
_WORD = re.compile(
    rf"""
      (?P<space>[ \t\n\r\f\v]+|--[^\r\n]*)
    | (?P<comment>/\*)
    | (?P<escaped>[eE]'[^'\\]*(?:(?:\\.|'')[^'\\]*)*')
    | (?P<string>(?:[bBxX]|[uU]&)?'[^']*(?:''[^']*)*')
    | (?P<dollars>\$(?P<tag>(?:[A-Za-z_\u0080-\U0010ffff]\w*)?)\$.*?\$(?P=tag)\$)
    | (?P<unicode>[uU]&"(?P<coded>[^"]*(?:""[^"]*)*)"(?:\s*(?i:UESCAPE)\s*'(?P<escape>[^'])')?)
    | (?P<quoted>"[^"]*(?:""[^"]*)*")
    | (?P<name>(?![eE]'){_NAME})
    | (?P<number>0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*(?:\.(?!\.)[\d_]*)?|\.\d[\d_]*)(?:[eE][-+]?\d+)?)
    | (?P<parameter>\$\d+)
    | (?P<sign>::|:=|\.\.|[],;:.()[])
    | (?P<operator>(?:(?!--|/\*)[-+*/<>=~!@\#%^&|`?])+)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
# Without one of these an operator ends in no plus or minus, which then is the sign of what follows.
_MAY_END_IN_SIGN = frozenset("~!@#%^&|`?")


def scan(sql: str) -> Iterator[Word]:
    """Yield the words of `sql`. Raises UnreadableSqlError."""
    position = 0
    while position < len(sql):
        found = _WORD.match(sql, position)
        if found is None:
            raise UnreadableSqlError(f"what begins at character {position + 1} does not end")
        kind, start, position = found.lastgroup, position, found.end()
        text = found[0]
        match kind:
            case "space":
                continue
            case "comment":
                position = _comment_end(sql, start)
                continue
            case "escaped" | "string":
                yield Word(text.partition("'")[2][:-1].replace("''", "'"), start, position, literal=True)
            case "dollars":
                edge = len(found["tag"]) + 2
                yield Word(text[edge:-edge], start, position, literal=True)
            case "unicode":
                yield Word(_decoded(found["coded"], found["escape"] or "\\"), start, position, quoted=True)
            case "quoted":
                yield Word(text[1:-1].replace('""', '"'), start, position, quoted=True)
            case "operator":
                text = _operator(text)
                position = start + len(text)
                yield Word(text, start, position, keyword=text)
            case _:
                yield Word(text, start, position, keyword=_keyword(text))


def _comment_end(sql: str, start: int) -> int:
    """Return where the comment that begins at `start` ends; comments contain comments. Raises UnreadableSqlError."""
    depth = 0
    for edge in _COMMENT_EDGE.finditer(sql, start):
        depth += 1 if edge[0] == "/*" else -1
        if not depth:
            return edge.end()
    raise UnreadableSqlError("a comment does not end")


def _operator(signs: str) -> str:
    if _MAY_END_IN_SIGN.isdisjoint(signs):
        return signs[0] + signs[1:].rstrip("+-")
    return signs


def _decoded(text: str, escape: str) -> str:
    """Return the name that `U&"text"` stands for. Raises UnreadableSqlError for what is no character."""
    mark = re.escape(escape)
    try:
        units = re.sub(
            rf"{mark}(?:\+([\da-fA-F]{{6}})|([\da-fA-F]{{4}})|{mark})",
            lambda found: chr(int(found[1] or found[2], 16)) if found[1] or found[2] else escape,
            text.replace('""', '"'),
        )
        # Two halves of a character, as UTF-16 has it, are one.
        return units.encode("utf-16", "surrogatepass").decode("utf-16")
    except ValueError as exc:
        raise UnreadableSqlError("a name has what is no character") from exc
