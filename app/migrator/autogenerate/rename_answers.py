"""What somebody says about likely renames: the questions, the options and the answers."""

from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace

from ...postgres.errors import DatabaseError


class RenameError(DatabaseError):
    """An answer names no likely rename, or contradicts another one."""

    exit_code = 2


class RenameUnansweredError(DatabaseError):
    """Nobody has said whether something was renamed; nothing was written."""

    def __init__(self, pairs: "Sequence[Rename]") -> None:
        said = " ".join(f"{pair.question} `--rename {pair}` or `--not-renamed {pair}`." for pair in pairs)
        super().__init__(
            f"Nothing was written, since what is not renamed is dropped, and its data are gone. {said} Under `alembic"
            f" revision` these are `-x rename={pairs[0]}` and `-x not-renamed={pairs[0]}`."
        )
        self.pairs = pairs


@dataclass(frozen=True, order=True)
class Rename:
    """A column of `table`, or a table (`table` is empty), with its old and its new name."""

    table: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.old_path}:{self.new}"

    @property
    def old_path(self) -> str:
        return f"{self.table}.{self.old}" if self.table else self.old

    @property
    def question(self) -> str:
        if self.table:
            return f"Is {self.table}.{self.old} renamed to {self.new}, which has the same type?"
        return f"Is the table {self.old} renamed to {self.new}, which has similar columns?"

    def overlaps(self, other: "Rename") -> bool:
        """Return whether the other one has the same old or the same new name."""
        return self.table == other.table and (self.old == other.old or self.new == other.new)

    @property
    def denial(self) -> str:
        """The reason that a revision which drops one and adds the other gives to the linter."""
        return f"{self.old_path} was not renamed to {self.new}: they are two different things"


@dataclass(frozen=True)
class RenameAnswers:
    """What somebody has said: texts like `tasks.old:new`; `asks` if there is a terminal to ask on for what is left."""

    renamed: tuple[str, ...] = ()
    not_renamed: tuple[str, ...] = ()
    asks: bool = False

    def with_answer(self, pair: Rename, *, is_renamed: bool) -> "RenameAnswers":
        if is_renamed:
            return replace(self, renamed=(*self.renamed, str(pair)))
        return replace(self, not_renamed=(*self.not_renamed, str(pair)))


# A command that has its own options, and does not go through Alembic's, puts the answers here.
ANSWERS: ContextVar[RenameAnswers | None] = ContextVar("rename_answers", default=None)


def ask_on_terminal(pairs: Iterable[Rename], answers: RenameAnswers) -> RenameAnswers:
    """Ask about each pair that the answers so far leave open, and return all answers."""
    # Imported here because no server asks.
    import rich_click as click  # noqa: PLC0415

    renamed: list[Rename] = []
    for pair in pairs:
        if any(map(pair.overlaps, renamed)):
            continue
        try:
            is_renamed = click.confirm(f"{pair.question} Otherwise its data are dropped.", err=True)
        except click.Abort:
            raise KeyboardInterrupt from None
        renamed += [pair] if is_renamed else []
        answers = answers.with_answer(pair, is_renamed=is_renamed)
    return answers
