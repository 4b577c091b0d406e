"""Where squawk is wrong, or a rule of our own says it better: such a complaint is no finding."""

from collections.abc import Callable
from itertools import pairwise

from ..sql.alter_table import added_constraints
from ..sql.indexes import index_build
from ..sql.tokens import Statement
from .known_schema import KnownSchema
from .partition_rules import OVERRULED_CONSTRAINT, OVERRULED_INDEX, is_partitioned


def is_overruled(rule: str, statement: Statement, before: KnownSchema) -> bool:
    """Return whether the complaint of this rule about the statement is to be left out."""
    return any(rule in rules and applies(statement, before) for rules, applies in _OVERRULED)


def _is_of_partitioned_table(statement: Statement, before: KnownSchema) -> bool:
    index = index_build(statement)
    return index is not None and is_partitioned(index.table, before)


def _is_of_parent_only(statement: Statement, before: KnownSchema) -> bool:
    """Return whether it is ON ONLY a table that may be partitioned: that builds nothing."""
    index = index_build(statement)
    return index is not None and index.only and (index.table,) not in before.plain


def _drops_index_of_partitioned_table(statement: Statement, before: KnownSchema) -> bool:
    names = [word.name for word in statement.words if word.is_name]
    return any(name in names and is_partitioned(table, before) for table, name in before.indexes)


def _adds_to_partitioned_table(statement: Statement, before: KnownSchema) -> bool:
    added = [*added_constraints(statement)]
    return bool(added) and all(each.kind != "CHECK" and is_partitioned(each.table, before) for each in added)


def _reads_no_row(statement: Statement, before: KnownSchema) -> bool:  # noqa: ARG001 - as the others
    added = [*added_constraints(statement)]
    return all(not each.is_enforced for each in added)


def _builds_an_index(statement: Statement, before: KnownSchema) -> bool:  # noqa: ARG001 - as the others
    """Return whether it adds what cannot be NOT VALID, and what another of squawk's rules has the safe way of."""
    added = [*added_constraints(statement)]
    return bool(added) and all(each.kind in {"UNIQUE", "PRIMARY"} for each in added)


def _is_generated(statement: Statement, before: KnownSchema) -> bool:  # noqa: ARG001 - as the others
    """Return whether no column has a default: table-locked finds STORED and identities, and VIRTUAL fills no row."""
    words = [word.keyword for word in statement.words]
    return "GENERATED" in words and all(before == "BY" for before, word in pairwise(words) if word == "DEFAULT")


def _alters_no_column(statement: Statement, before: KnownSchema) -> bool:  # noqa: ARG001 - as the others
    return not any(word.keyword == "ALTER" for word in statement.words[1:])


# By rules of squawk's.
_OVERRULED: tuple[tuple[frozenset[str], Callable[[Statement, KnownSchema], bool]], ...] = (
    (OVERRULED_INDEX, _is_of_partitioned_table),
    (frozenset({"require-concurrent-index-creation"}), _is_of_parent_only),
    (frozenset({"require-concurrent-index-deletion"}), _drops_index_of_partitioned_table),
    (OVERRULED_CONSTRAINT, _adds_to_partitioned_table),
    # VALIDATE CONSTRAINT is validated-under-lock's, and NOT ENFORCED is nobody's.
    (frozenset({"constraint-missing-not-valid"}), _reads_no_row),
    (frozenset({"constraint-missing-not-valid"}), _builds_an_index),
    (frozenset({"adding-field-with-default"}), _is_generated),
    (frozenset({"ban-alter-generated-expression"}), _alters_no_column),
)
