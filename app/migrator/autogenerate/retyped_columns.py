"""The steps for a column of another type: a new column that mirrors it, and takes its place when it is filled."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
import structlog
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation

from ..drift.catalogue import Column, Constraint, Index, Table
from ..drift.difference import Order
from ..drift.lossless_casts import keeps_values
from ..phase import Phase
from ..sql.grant_blocks import grant_like
from ..sql.names import qualified
from ..sql.quoting import quote, shortened, temporary_name
from ..sql.tokens import Word, statements_of
from .backfill_file import BackfillFile, backfill_name
from .indexes import build_concurrently
from .mirrored_column import VALUE, MirroredColumn
from .plan import CONTRACT_STEP, Chain, Step
from .rendering import InAutocommit, Sql
from .required_columns import required_steps
from .schemas import Schemas, without_enum_creation

log = structlog.stdlib.get_logger(__name__)

_NO_ROW_IS_READ = "only a limit of the type changes: every value fits, and no row is read"
# Types that the server takes for each other without reading a row, if the new limit is no less.
# Without a length these names are of one character, or of one bit.
_ANY_LENGTH = {"character": "bpchar", "character[]": "bpchar[]", "bit": '"bit"', "bit[]": '"bit"[]'}
_ZONED = "with time zone"
_SHOWN_BY_SETTINGS = re.compile(r"\b(date|time|timestamp|interval|real|double precision|bytea|money|\w*range)\b")
_LIMITED = re.compile(r"(character varying|numeric)(?:\((\d+)(?:,(\d+))?\))?")


def widened_chain(before: Column, after: Column, model: sa.Column[Any]) -> Chain | None:
    """Return the step for a type that holds all that the old one does, and as it does; None for another one."""
    if not _is_widened(before.type, after.type):
        return None
    rules = [CONTRACT_STEP, "changing-column-type", *(["prefer-text-field"] if "(" in after.type else [])]
    up = ops.AlterColumnOp(after.table, after.name, modify_type=model.type, existing_nullable=not before.not_null)
    return [
        Step(
            order=Order.TABLES_AND_COLUMNS,
            up=(up,),
            down=(Sql(_alter(before, f"TYPE {before.type}")),),
            lint_ignore=dict.fromkeys(rules, _NO_ROW_IS_READ),
        )
    ]


def _is_widened(old: str, new: str) -> bool:
    was, becomes = _LIMITED.fullmatch(old), _LIMITED.fullmatch(new)
    if was is None:
        return False
    if becomes is None:
        return was[1] == "character varying" and new == "text"
    if was[1] != becomes[1] or was[2] is None:
        return False
    return becomes[2] is None or (int(becomes[2]) >= int(was[2]) and becomes[3] == was[3])


def retyped_chain(before: Column, after: Column, model: sa.Column[Any], schemas: Schemas) -> Chain | None:
    """Return the steps, or None if something depends on the column that would have to move with it."""
    if not _can_be_replaced(before, after, schemas):
        return None
    if _changes_zone(before, after):
        log.warning("what has no time zone is taken as UTC, by the trigger and by the backfill", column=before.path)
    return _Replacement(before, after, model, schemas).steps()


def _changes_zone(before: Column, after: Column) -> bool:
    return (_ZONED in before.base) != (_ZONED in after.base)


def _can_be_replaced(before: Column, after: Column, schemas: Schemas) -> bool:
    live, models, path = schemas.live, schemas.models, before.path
    table = live.tables[before.table]
    both: list[tuple[Constraint | Index, Constraint | Index | None]] = [
        *((found, models.constraints.get(key)) for key, found in live.constraints.items() if path in found.columns),
        *((found, models.indexes.get(name)) for name, found in live.indexes.items() if path in found.columns),
    ]
    wanted: list[Constraint | Index] = [*models.constraints.values(), *models.indexes.values()]
    new = [found for found in wanted if path in found.columns]
    return (
        not (before.identity or before.generated or after.identity or after.generated)
        and not (table.is_partitioned and _needs_more_than_a_check(before, table, both))
        # NULL has no value in the new column, which only a person could choose.
        and (before.not_null or not after.not_null)
        and _new_name(before) not in table.columns
        and not live.dependents.get(("column", path))
        and not any(sequence.owner == path for sequence in live.sequences.values())
        and len(new) == len(both)
        and all(_can_move(old, other, before.table) for old, other in both)
    )


def _needs_more_than_a_check(
    column: Column, table: Table, used: Sequence[tuple[Constraint | Index, Constraint | Index | None]]
) -> bool:
    """Return whether a partitioned table has the column in its key, or in an index or key of each partition."""
    (key,) = statements_of(table.partition_key or "none")
    is_in_key = any(word.is_name and word.name == column.name for word in key.words)
    return is_in_key or any(isinstance(each, Index) or each.type != "c" for each, _ in used)


def _can_move(old: Constraint | Index, new: Constraint | Index | None, table: str) -> bool:
    if new is None or old.table != table or not old.valid:
        return False
    return isinstance(old, Index) or old.type in "ucf"


def _new_name(column: Column) -> str:
    return shortened(f"{column.name}_new")


def _alter(column: Column, action: str, name: str | None = None) -> str:
    return f"ALTER TABLE {quote(column.table)} ALTER COLUMN {quote(name or column.name)} {action}"


class _Replacement:
    """A column `new` that takes the place of `before`, and is what the models have, `after`."""

    def __init__(self, before: Column, after: Column, model: sa.Column[Any], schemas: Schemas) -> None:
        self.before, self.after, self.model, self.schemas = before, after, model, schemas
        self.new, self.table = _new_name(before), quote(before.table)
        casts = schemas.live.casts
        self.mirrored = MirroredColumn(
            qualified("", before.table),
            before.name,
            self.new,
            to_new=_conversion(before, after, casts.get((before.base, after.base))),
            to_old=_conversion(after, before, casts.get((after.base, before.base))),
            old_type=before.type if before.type != before.base else None,
            new_type=after.type if after.type != after.base else None,
        )
        path = before.path
        live, models = schemas.live, schemas.models
        constraints = [
            (found, models.constraints[key]) for key, found in live.constraints.items() if path in found.columns
        ]
        self.unique = [(old, new) for old, new in constraints if old.type == "u"]
        self.others = [(old, new) for old, new in constraints if old.type != "u"]
        self.indexes = [(found, models.indexes[name]) for name, found in live.indexes.items() if path in found.columns]

    def steps(self) -> Chain:
        backfill = BackfillFile(
            name=backfill_name(self.before.table, self.new),
            title=f"{self.before.table}.{self.new} holds what {self.before.name} holds",
            table=self.before.table,
            update=self.mirrored.backfill_update,
            where=self.mirrored.backfill_where,
        )
        steps = [self._add(), *self._indexes(), *self._constraints()]
        swap, back = tuple(self._swap()), tuple(self._back())
        if self.after.not_null:
            *before_last, last = required_steps(replace(self.after, name=self.new), backfill)
            return [
                *steps,
                *before_last,
                replace(last, up=(*last.up, *swap), down=(*back, *last.down), requires=backfill),
            ]
        return [
            *steps,
            Step(order=Order.GENERATED_COLUMNS, phase=Phase.CONTRACT, up=swap, down=back, requires=backfill),
        ]

    def _add(self) -> Step:
        column = sa.Column(self.new, without_enum_creation(self.model.type), nullable=True)
        add = ops.AddColumnOp(self.before.table, column)
        drop = ops.DropColumnOp(self.before.table, self.new)
        # The trigger refuses what the new type cannot hold.
        context = self.schemas.live.casts.get((self.before.base, self.after.base))
        is_lossless = _is_lossless(self.before, self.after, context)
        return Step(
            order=Order.TABLES_AND_COLUMNS,
            phase=Phase.EXPAND if is_lossless else Phase.CONTRACT,
            up=(add, Sql(grant_like(self.before.table, self.new, self.before.name)), *map(Sql, self.mirrored.create())),
            down=(*map(Sql, self.mirrored.drop()), drop),
        )

    def _moved(self, definition: str) -> str:
        return _with_column(definition, self.before.name, self.new)

    def _indexes(self) -> Iterator[Step]:
        found = [(index.name, index.unique, index.definition) for _, index in self.indexes]
        found += [(unique.name, True, unique.index_definition or "") for _, unique in self.unique]
        for name, is_unique, definition in found:
            built = temporary_name(name)
            build = build_concurrently(built, self.before.table, Sql(self._create(built, is_unique, definition)))
            drop = Sql(f"DROP INDEX IF EXISTS {quote(built)}")
            yield Step(order=Order.TABLES_AND_COLUMNS, up=(build,), down=(drop,))

    def _create(self, name: str, is_unique: bool, definition: str, how: str = "CONCURRENTLY ") -> str:
        return f"CREATE {'UNIQUE ' if is_unique else ''}INDEX {how}{quote(name)} {self._moved(definition)}"

    def _constraints(self) -> Iterator[Step]:
        for _, wanted in self.others:
            name, order = quote(temporary_name(wanted.name)), Order.TABLES_AND_COLUMNS
            add = f"ALTER TABLE {self.table} ADD CONSTRAINT {name} {self._moved(wanted.definition)} NOT VALID"
            drop = f"ALTER TABLE {self.table} DROP CONSTRAINT {name}"
            validate = InAutocommit(Sql(f"ALTER TABLE {self.table} VALIDATE CONSTRAINT {name}"))
            yield Step(order=order, phase=Phase.CONTRACT, up=(Sql(add),), down=(Sql(drop),))
            yield Step(order=order, up=(validate,))

    def _swap(self) -> Iterator[MigrateOperation]:
        yield from map(Sql, self.mirrored.drop())
        yield ops.DropColumnOp(self.before.table, self.before.name)
        yield ops.AlterColumnOp(self.before.table, self.new, modify_name=self.before.name)
        if self.after.default:
            yield Sql(_alter(self.after, f"SET DEFAULT {self.after.default}"))
        if self.after.comment:
            yield ops.AlterColumnOp(self.before.table, self.before.name, modify_comment=self.after.comment)
        for _, index in self.indexes:
            yield Sql(f"ALTER INDEX {quote(temporary_name(index.name))} RENAME TO {quote(index.name)}")
        for _, unique in self.unique:
            using = f"UNIQUE USING INDEX {quote(temporary_name(unique.name))}{unique.deferrable}"
            yield Sql(f"ALTER TABLE {self.table} ADD CONSTRAINT {quote(unique.name)} {using}")
        for _, constraint in self.others:
            names = f"{quote(temporary_name(constraint.name))} TO {quote(constraint.name)}"
            yield Sql(f"ALTER TABLE {self.table} RENAME CONSTRAINT {names}")

    def _back(self) -> Iterator[MigrateOperation]:
        """Yield the way back, on which every row is written."""
        for _, constraint in self.others:
            names = f"{quote(constraint.name)} TO {quote(temporary_name(constraint.name))}"
            yield Sql(f"ALTER TABLE {self.table} RENAME CONSTRAINT {names}")
        for _, unique in self.unique:
            yield Sql(f"ALTER TABLE {self.table} DROP CONSTRAINT {quote(unique.name)}")
        for _, index in self.indexes:
            yield Sql(f"ALTER INDEX {quote(index.name)} RENAME TO {quote(temporary_name(index.name))}")
        if self.after.default:
            yield Sql(_alter(self.after, "DROP DEFAULT"))
        yield ops.AlterColumnOp(self.before.table, self.before.name, modify_name=self.new)
        for _, unique in self.unique:
            yield Sql(self._create(temporary_name(unique.name), True, unique.index_definition or "", ""))
        old = quote(self.before.name)
        yield Sql(f"ALTER TABLE {self.table} ADD COLUMN {old} {self.before.type}")
        yield Sql(grant_like(self.before.table, self.before.name, self.new))
        value = self.mirrored.to_old.replace(VALUE, quote(self.new))
        yield Sql(f"UPDATE {self.table} SET {old} = {value}")  # noqa: S608 - names
        if self.before.default:
            yield Sql(_alter(self.before, f"SET DEFAULT {self.before.default}"))
        if self.before.not_null:
            yield Sql(_alter(self.before, "SET NOT NULL"))
        for found, _ in (*self.unique, *self.others):
            yield Sql(f"ALTER TABLE {self.table} ADD CONSTRAINT {quote(found.name)} {found.definition}")
        for index, _ in self.indexes:
            yield Sql(f"CREATE {'UNIQUE ' if index.unique else ''}INDEX {quote(index.name)} {index.definition}")
        yield from map(Sql, self.mirrored.create())


def _conversion(before: Column, after: Column, context: str | None) -> str:
    """Return the SQL of the one's value as the other's type; by way of a text where the server has no cast.

    It is the type without its length: a value that is too long is an error where it is written, and is not cut.
    """
    by_text = "" if context or before.is_string or after.is_string or before.base == after.base else "::text"
    return f"{VALUE}{by_text}::{_ANY_LENGTH.get(after.base, after.base)}"


def _is_lossless(before: Column, after: Column, context: str | None) -> bool:
    """Return whether the new type holds every value of the old one."""
    if after.type != after.base or before.base == after.base:
        return after.type == after.base
    # By the settings of a session: the previous release may see another value than the trigger makes.
    if _changes_zone(before, after):
        return False
    is_shown_alike = not (after.is_string and _SHOWN_BY_SETTINGS.search(before.base))
    return is_shown_alike and keeps_values(before, after, context)


def _with_column(definition: str, old: str, new: str) -> str:
    """Return the definition of an index or constraint with the one column instead of the other."""
    (statement,) = statements_of(definition)
    words, text = statement.words, statement.text
    for position in range(len(words) - 1, -1, -1):
        word = words[position]
        follows = words[position + 1].text if position + 1 < len(words) else ""
        # Behind REFERENCES there are the other table's columns.
        if word.is_name and word.name == old and follows != "(" and not _is_referred(words[:position]):
            text = text[: word.start] + quote(new) + text[word.end :]
    return text


def _is_referred(before: Sequence[Word]) -> bool:
    return any(word.keyword == "REFERENCES" for word in before)
