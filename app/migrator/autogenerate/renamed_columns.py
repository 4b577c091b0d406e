"""The steps of a column's rename: a new column beside the old one, both kept equal, and later only the new one."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation

from ..drift.catalogue import Column, Schema
from ..drift.difference import Difference, Kind, Order, script
from ..drift.table_and_column_ddl import definition
from ..phase import Phase
from ..sql.grant_blocks import grant_like
from ..sql.names import qualified
from ..sql.quoting import quote
from .backfill_file import BackfillFile, backfill_name
from .mirrored_column import MirroredColumn
from .plan import Chain, Step
from .rename_answers import Rename, RenameError
from .rendering import Sql, in_transaction
from .required_columns import is_constant, required_steps
from .schemas import Schemas, without_enum_creation

# The base types whose values cannot be compared with a default.
_INCOMPARABLE = frozenset({"json", "xml", "point", "polygon", "circle", "box", "path", "lseg", "line"})


def require_renamable(rename: Rename, live: Schema, models: Schema) -> None:
    """Raise RenameError if a second column cannot stand in for the old one."""
    table = live.tables[rename.table]
    column = table.columns[rename.old]
    if column.not_null != models.tables[rename.table].columns[rename.new].not_null:
        raise RenameError(
            f"--rename {rename}: one of the two may be NULL, and the other may not, so that they cannot be kept equal."
            " Rename first, and change that in a later release."
        )
    keys = [c for c in live.constraints.values() if c.table == table.name and column.path in c.columns]
    referred = {c.index for c in live.constraints.values() if c.references == table.name}
    read_by = functions_with_name_of(column, live)
    used_by = [dependent.what for dependent in live.dependents.get(("column", column.path), ())]
    reasons = {
        "it is in the primary key": any(key.type == "p" for key in keys),
        "a foreign key refers to it": any(key.index in referred for key in keys if key.index),
        "it is an identity": column.identity is not None,
        "it is generated": column.generated is not None,
        "its default is a sequence": "nextval(" in (column.default or ""),
        "it may be NULL, and its default differs by row or cannot be compared, so that a NULL which the next release"
        " writes would become the default": not column.not_null and not _has_comparable_default(column),
        f"{', '.join(read_by)} of its table's triggers has its name, and would fail without it": bool(read_by),
        f"{', '.join(used_by)} would have to change with it": bool(used_by),
    }
    for reason, applies in reasons.items():
        if applies:
            raise RenameError(
                f"--rename {rename}: no second column can stand in for {rename.old_path}, because {reason}. Keep its"
                f' name in the database, and change the attribute: `{rename.new} = mapped_column("{rename.old}")`.'
            )


def functions_with_name_of(column: Column, live: Schema) -> list[str]:
    """Return the functions of its table's triggers that have the column's name in their body."""
    # That is a text, of whose columns the server knows nothing.
    word = re.compile(rf"(?<![\w$]){re.escape(column.name)}(?![\w$])", re.IGNORECASE)
    return [f"function {name}" for name, body in live.trigger_code.get(column.table, ()) if word.search(body)]


def _has_comparable_default(column: Column) -> bool:
    """Return whether a row shows if it was given a value or has the default, which counts if there is none."""
    if column.default is None:
        return True
    return is_constant(column.default) and column.base.removesuffix("[]") not in _INCOMPARABLE


def belongs_to(found: Difference, rename: Rename, live: Schema) -> bool:
    """Return whether the difference is the old or the new column, or what is dropped with the old one."""
    if found.kind is Kind.COLUMN:
        return found.key in {(rename.table, rename.old), (rename.table, rename.new)}
    return found.models is None and uses(found, live.tables[rename.table].columns[rename.old], live)


def uses(found: Difference, column: Column, schema: Schema) -> bool:
    """Return whether it is an index or a constraint that this side has on the column."""
    constraint, index = schema.constraints.get((found.key[0], found.key[-1])), schema.indexes.get(found.key[0])
    own = index if found.kind is Kind.INDEX else constraint
    return own is not None and column.path in own.columns


def renaming_chain(rename: Rename, indexes: Sequence[Step], back: Sequence[Difference], schemas: Schemas) -> Chain:
    """Return the steps; `indexes` build those of the new column, `back` is what is dropped with the old one."""
    table = rename.table
    before, after = schemas.live.tables[table].columns[rename.old], schemas.models.tables[table].columns[rename.new]
    model = next(c for c in schemas.metadata.tables[table].columns if c.name == rename.new)
    default = before.default if _has_comparable_default(before) else None
    mirror = MirroredColumn(qualified("", table), rename.old, rename.new, default=default)
    add: list[MigrateOperation] = [_empty_column(after, model)]
    if default is not None:
        add.append(_alter(after, f"SET DEFAULT {default}"))
    trigger, drop_trigger = [Sql(each) for each in mirror.create()], [Sql(each) for each in mirror.drop()]
    steps = [
        Step(
            order=Order.TABLES_AND_COLUMNS,
            up=(*add, Sql(grant_like(table, rename.new, rename.old)), *trigger),
            down=(*drop_trigger, ops.DropColumnOp(table, rename.new)),
        ),
        Step(order=Order.TABLES_AND_COLUMNS, up=(), requires=_backfill(rename, mirror)),
        *indexes,
    ]
    if after.not_null:
        checked, *others = required_steps(after, _backfill(rename, mirror))
        steps += [replace(checked, requires=None), *others]
    finish = _finish(after, default)
    drop = Step(
        order=Order.DROP_COLUMNS,
        phase=Phase.CONTRACT,
        # Again: the trigger may not have fired since.
        requires=_backfill(rename, mirror),
        up=(*drop_trigger, ops.DropColumnOp(table, rename.old), *finish),
        down=(*_undo_default(after, default), *_bring_back(before, after), *in_transaction(script(back)), *trigger),
    )
    return [*steps, drop]


def _empty_column(after: Column, model: sa.Column[Any]) -> MigrateOperation:
    """Return the operation that adds the column so that the old rows have NULL."""
    column = model._copy()  # noqa: SLF001 - what Alembic does
    column.type, column.server_default, column.nullable = without_enum_creation(column.type), None, True
    return ops.AddColumnOp.from_column_and_tablename(None, after.table, column)


def _backfill(rename: Rename, mirror: MirroredColumn) -> BackfillFile:
    return BackfillFile(
        name=backfill_name(rename.table, rename.new),
        title=f"{rename.table}.{rename.new} has what {rename.old_path} has: the trigger copies it",
        table=rename.table,
        update=mirror.backfill_update,
        where=mirror.backfill_where,
    )


def _finish(after: Column, default: str | None) -> list[MigrateOperation]:
    """Give the new column the default of the models, which may not be what both columns share."""
    if after.default == default:
        return []
    return [_alter(after, f"SET DEFAULT {after.default}" if after.default else "DROP DEFAULT")]


def _undo_default(after: Column, default: str | None) -> list[MigrateOperation]:
    if after.default == default:
        return []
    return [_alter(after, f"SET DEFAULT {default}" if default else "DROP DEFAULT")]


def _bring_back(before: Column, after: Column) -> list[MigrateOperation]:
    """Return what makes the old column again, with the values of the new one."""
    table, old, new = quote(before.table), quote(before.name), quote(after.name)
    empty = definition(replace(before, not_null=False, expression=None))
    found: list[MigrateOperation] = [
        Sql(f"ALTER TABLE {table} ADD COLUMN {old} {empty}"),
        Sql(grant_like(before.table, before.name, after.name)),
        Sql(f"UPDATE {table} SET {old} = {new}"),  # noqa: S608 - quoted names
    ]
    if before.default:
        found.append(_alter(before, f"SET DEFAULT {before.default}"))
    if before.not_null:
        found.append(_alter(before, "SET NOT NULL"))
    return found


def _alter(column: Column, action: str) -> Sql:
    return Sql(f"ALTER TABLE {quote(column.table)} ALTER COLUMN {quote(column.name)} {action}")
