"""The steps after which the previous release may no longer work, and when they are none."""

from collections.abc import Callable
from dataclasses import dataclass

from ..sql.effect import Effect, Kind
from .known import Known


@dataclass(frozen=True)
class Step:
    """Why it breaks the previous release, the safe rewrite, and when it is none.

    On a table that the revision itself has made it never is one.
    """

    why: str
    rewrite: str
    is_free: Callable[[Effect, Known], bool]


def _never(effect: Effect, known: Known) -> bool:  # noqa: ARG001 - as the others
    return False


def _is_new(effect: Effect, known: Known) -> bool:
    return _column(effect) in known.columns


def _is_new_and_filled(effect: Effect, known: Known) -> bool:
    """What the previous release does not write gets the default."""
    return _is_new(effect, known) and _column(effect) in known.defaults


def _holds_already(effect: Effect, known: Known) -> bool:
    checked = known.has_valid_check(effect.table, effect.column)
    return checked or _column(effect) in known.required or _is_new_and_filled(effect, known)


def _is_new_and_nullable(effect: Effect, known: Known) -> bool:
    return _is_new(effect, known) and _column(effect) not in known.required


def _is_of_new_columns(effect: Effect, known: Known) -> bool:
    """The previous release leaves them NULL, which these constraints allow; a default it may well write twice."""
    columns = {(effect.table, column) for column in effect.columns}
    return bool(columns) and columns <= known.columns and columns.isdisjoint(known.defaults)


def _is_new_constraint(effect: Effect, known: Known) -> bool:
    return (effect.table, effect.name) in known.constraints


def _is_new_or_superfluous(effect: Effect, known: Known) -> bool:
    return _is_new_constraint(effect, known) or known.is_superfluous(effect.table, effect.name)


def _is_new_object(effect: Effect, known: Known) -> bool:
    return (effect.table,) in known.others


def _is_not_unique(effect: Effect, known: Known) -> bool:
    """What no earlier revision has made as unique is for speed alone, or this revision's own."""
    return not known.has_old_unique(effect.name)


def _column(effect: Effect) -> tuple[str, str]:
    return (effect.table, effect.column or "")


_USED = "the previous release may use it"
_DROP_LATER = "Stop using it in this release, and take it away in a contract revision of a later one."
_NAMED = "the previous release knows it by its old name"
_KEEP_NAME = (
    'Keep the name in the database and change it in the model alone (mapped_column("old")), or add the new one beside'
    " the old and drop that in a contract revision of a later release."
)
_FORBIDS = "the previous release may write what it forbids; NOT VALID spares only the rows that are there"
_KEEP_TO_IT_FIRST = (
    "First a release that keeps to it, then this. If the previous one does: lint_ignore, with that as the reason."
)

STEPS: dict[Kind, Step] = {
    Kind.DROP_TABLE: Step(_USED, _DROP_LATER, _never),
    Kind.DROP_COLUMN: Step(_USED, _DROP_LATER, _is_new),
    Kind.DROP_OTHER: Step(_USED, _DROP_LATER, _is_new_object),
    Kind.TRUNCATE: Step(_USED, _DROP_LATER, _never),
    Kind.RENAME_TABLE: Step(_NAMED, _KEEP_NAME, _never),
    Kind.RENAME_COLUMN: Step(_NAMED, _KEEP_NAME, _is_new),
    Kind.RENAME_OTHER: Step(_NAMED, _KEEP_NAME, _is_new_object),
    Kind.CHANGE_TYPE: Step(
        "the previous release may not read the new type, or write it",
        "Add a column of the new type, write both, fill it by a backfill and read it; drop the old one in a contract"
        " revision of a later release.",
        _is_new,
    ),
    Kind.SET_NOT_NULL: Step(
        "the previous release may write NULL, or leave the column out",
        "CHECK (… IS NOT NULL) NOT VALID in one revision, VALIDATE CONSTRAINT in the next, then SET NOT NULL. A new"
        " column gets a DEFAULT, which stays.",
        _holds_already,
    ),
    Kind.DROP_NOT_NULL: Step(
        "the previous release may not be ready to read NULL",
        "First a release that reads NULL, then this. If the previous one does: lint_ignore, with that as the reason.",
        _is_new,
    ),
    Kind.DROP_DEFAULT: Step(
        "the previous release's INSERT may rely on it",
        "Keep it until no release that runs relies on it, and drop it in a contract revision.",
        _is_new_and_nullable,
    ),
    Kind.ADD_CONSTRAINT: Step(_FORBIDS, _KEEP_TO_IT_FIRST, _is_of_new_columns),
    Kind.ADD_NOT_NULL_CHECK: Step(_FORBIDS, _KEEP_TO_IT_FIRST, _holds_already),
    Kind.ADD_UNIQUE_INDEX: Step(_FORBIDS, _KEEP_TO_IT_FIRST, _is_of_new_columns),
    Kind.DROP_CONSTRAINT: Step(
        "the previous release may rely on what it guarantees, on its ON DELETE or in an ON CONFLICT",
        _DROP_LATER,
        _is_new_or_superfluous,
    ),
    Kind.ALTER_CONSTRAINT: Step(
        "the previous release may rely on its holding at once, on its ON DELETE or in an ON CONFLICT",
        "Add another one beside it, and drop it in a contract revision of a later release.",
        _is_new_constraint,
    ),
    Kind.CREATE_TRIGGER: Step(
        "it changes what the previous release's statements do, or refuses them",
        "Have this release do it itself. If the previous one works with it: lint_ignore, with that as the reason.",
        _is_new_object,
    ),
    # By its name a release may know which constraint an error is about.
    Kind.RENAME_CONSTRAINT: Step(_NAMED, _KEEP_NAME, _is_new_constraint),
    Kind.DROP_INDEX: Step(
        "the previous release may rely on its being unique, or need it for an ON CONFLICT, which fails without it",
        _DROP_LATER,
        _is_not_unique,
    ),
    Kind.RENAME_INDEX: Step(_NAMED, _KEEP_NAME, _is_not_unique),
}
