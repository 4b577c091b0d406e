"""The steps after which the previous release may no longer work, and when they do it no harm."""

from collections.abc import Callable
from dataclasses import dataclass

from ..sql.effect import Effect, Kind
from .known_schema import Change, KnownSchema


@dataclass(frozen=True)
class ContractStep:
    """Why a step breaks the previous release, the safe rewrite, and when it breaks nothing.

    On a table that the revision itself has made a step breaks nothing, whatever `is_free` says.
    """

    why: str
    rewrite: str
    is_free: Callable[[Effect, KnownSchema], bool]


def _never(effect: Effect, known: KnownSchema) -> bool:  # noqa: ARG001 - as the others
    return False


def _is_new(effect: Effect, known: KnownSchema) -> bool:
    return _column(effect) in known.columns


def _is_new_and_filled(effect: Effect, known: KnownSchema) -> bool:
    """Return whether the previous release, which does not write the column, leaves it at a default."""
    return _is_new(effect, known) and _column(effect) in known.defaults


def _holds_already(effect: Effect, known: KnownSchema) -> bool:
    return known.holds_no_null(effect.table, effect.column) or _is_new_and_filled(effect, known)


def _is_new_and_nullable(effect: Effect, known: KnownSchema) -> bool:
    return _is_new(effect, known) and _column(effect) not in known.required


def _is_of_new_columns(effect: Effect, known: KnownSchema) -> bool:
    """Return whether the previous release leaves the columns NULL, which these constraints allow.

    It may leave a default in two rows, which a unique constraint forbids.
    """
    columns = {(effect.table, column) for column in effect.columns}
    return bool(columns) and columns <= known.columns and columns.isdisjoint(known.defaults)


def _is_of_new_or_mirrored_columns(effect: Effect, known: KnownSchema) -> bool:
    """Return whether the previous release leaves the columns NULL, or writes no more into them than into the old ones.

    What an index of the old columns forbids is not known.
    """
    return _is_of_new_columns(effect, known) or not known.mirrored(effect.table).keys().isdisjoint(effect.columns)


def _is_new_constraint(effect: Effect, known: KnownSchema) -> bool:
    return (effect.table, effect.name) in known.constraints


def _is_new_or_superfluous(effect: Effect, known: KnownSchema) -> bool:
    return _is_new_constraint(effect, known) or known.is_superfluous(effect.table, effect.name)


def _is_new_object(effect: Effect, known: KnownSchema) -> bool:
    return (effect.table,) in known.others


def _is_not_unique(effect: Effect, known: KnownSchema) -> bool:
    """Return whether the index is for speed alone, or this revision's own."""
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

STEPS: dict[Kind, ContractStep] = {
    Kind.DROP_TABLE: ContractStep(_USED, _DROP_LATER, _never),
    Kind.DROP_COLUMN: ContractStep(_USED, _DROP_LATER, _is_new),
    Kind.DROP_OTHER: ContractStep(_USED, _DROP_LATER, _is_new_object),
    Kind.TRUNCATE: ContractStep(_USED, _DROP_LATER, _never),
    Kind.RENAME_TABLE: ContractStep(_NAMED, _KEEP_NAME, _never),
    Kind.RENAME_COLUMN: ContractStep(_NAMED, _KEEP_NAME, _is_new),
    Kind.RENAME_OTHER: ContractStep(_NAMED, _KEEP_NAME, _is_new_object),
    Kind.CHANGE_TYPE: ContractStep(
        "the previous release may not read the new type, or write it",
        "Add a column of the new type, write both, fill it by a backfill and read it; drop the old one in a contract"
        " revision of a later release.",
        _is_new,
    ),
    Kind.SET_NOT_NULL: ContractStep(
        "the previous release may write NULL, or leave the column out",
        "CHECK (… IS NOT NULL) NOT VALID in one revision, VALIDATE CONSTRAINT in the next, then SET NOT NULL. A new"
        " column gets a DEFAULT, which stays.",
        _holds_already,
    ),
    Kind.DROP_NOT_NULL: ContractStep(
        "the previous release may not be ready to read NULL",
        "First a release that reads NULL, then this. If the previous one does: lint_ignore, with that as the reason.",
        _is_new,
    ),
    Kind.DROP_DEFAULT: ContractStep(
        "the previous release's INSERT may rely on it",
        "Keep it until no release that runs relies on it, and drop it in a contract revision.",
        _is_new_and_nullable,
    ),
    Kind.ADD_CONSTRAINT: ContractStep(_FORBIDS, _KEEP_TO_IT_FIRST, _is_of_new_columns),
    Kind.ADD_NOT_NULL_CHECK: ContractStep(_FORBIDS, _KEEP_TO_IT_FIRST, _holds_already),
    Kind.ADD_UNIQUE_INDEX: ContractStep(_FORBIDS, _KEEP_TO_IT_FIRST, _is_of_new_or_mirrored_columns),
    Kind.DROP_CONSTRAINT: ContractStep(
        "the previous release may rely on what it guarantees, on its ON DELETE or in an ON CONFLICT",
        _DROP_LATER,
        _is_new_or_superfluous,
    ),
    Kind.ALTER_CONSTRAINT: ContractStep(
        "the previous release may rely on its holding at once, on its ON DELETE or in an ON CONFLICT",
        "Add another one beside it, and drop it in a contract revision of a later release.",
        _is_new_constraint,
    ),
    Kind.CREATE_TRIGGER: ContractStep(
        "it changes what the previous release's statements do, or refuses them",
        "Have this release do it itself. If the previous one works with it: lint_ignore, with that as the reason.",
        _is_new_object,
    ),
    # By its name a release may know which constraint an error is about.
    Kind.RENAME_CONSTRAINT: ContractStep(_NAMED, _KEEP_NAME, _is_new_constraint),
    Kind.DROP_INDEX: ContractStep(
        "the previous release may rely on its being unique, or need it for an ON CONFLICT, which fails without it",
        _DROP_LATER,
        _is_not_unique,
    ),
    Kind.RENAME_INDEX: ContractStep(_NAMED, _KEEP_NAME, _is_not_unique),
}


def breaks_previous_release(change: Change) -> bool:
    """Return whether the previous release may no longer work after the change."""
    step = STEPS.get(change.effect.kind)
    return step is not None and not change.is_of_new_table and not step.is_free(change.effect, change.before)
