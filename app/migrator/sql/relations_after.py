"""What a schema hangs together by once a statement has run: for revisions that another pending one comes before."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from .altered_table import altered_table
from .cursor import Cursor
from .effect import Effect, Kind
from .names import split_name
from .relations import ForeignKey, Relations
from .tokens import Statement


def relations_after(relations: Relations, statement: Statement, effects: Iterable[Effect]) -> Relations:
    """Return the relations with what the statement makes, renames and drops; their other parts stay as they are."""
    for effect in effects:
        relations = _after(relations, statement, effect)
    made = tuple(_foreign_keys(statement))
    return replace(relations, foreign_keys=(*relations.foreign_keys, *made)) if made else relations


def _after(relations: Relations, statement: Statement, effect: Effect) -> Relations:
    altered = altered_table(statement)
    if effect.kind is Kind.ATTACH_PARTITION and altered:
        return _with_partition(relations, altered.name, effect.table)
    change = _CHANGES.get(effect.kind)
    return change(relations, effect) if change else relations


def _created(relations: Relations, effect: Effect) -> Relations:
    return replace(relations, tables=(relations.tables or frozenset()) | {effect.table})


def _dropped(relations: Relations, effect: Effect) -> Relations:
    left = tuple(key for key in relations.foreign_keys if effect.table not in {key.table, key.referenced})
    return replace(relations, tables=(relations.tables or frozenset()) - {effect.table}, foreign_keys=left)


def _index_added(relations: Relations, effect: Effect) -> Relations:
    return replace(relations, indexes={**relations.indexes, effect.name or "": effect.table})


def _index_renamed(relations: Relations, effect: Effect) -> Relations:
    table = relations.indexes.get(effect.name or "")
    return replace(relations, indexes={**relations.indexes, effect.renamed_to or "": table}) if table else relations


def _constraint_dropped(relations: Relations, effect: Effect) -> Relations:
    left = tuple(key for key in relations.foreign_keys if (key.table, key.name) != (effect.table, effect.name))
    return replace(relations, foreign_keys=left)


def _table_renamed(relations: Relations, effect: Effect) -> Relations:
    return _renamed(relations, effect.table, effect.renamed_to or "")


def _renamed(relations: Relations, old: str, new: str) -> Relations:
    def name(table: str) -> str:
        return new if table == old else table

    def names(found: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return {name(table): tuple(map(name, others)) for table, others in found.items()}

    keys = (replace(key, table=name(key.table), referenced=name(key.referenced)) for key in relations.foreign_keys)
    return replace(
        relations,
        tables=frozenset(map(name, relations.tables or ())),
        children=names(relations.children),
        parents={name(table): name(parent) for table, parent in relations.parents.items()},
        defaults={name(table): name(default) for table, default in relations.defaults.items()},
        indexes={index: name(table) for index, table in relations.indexes.items()},
        foreign_keys=tuple(keys),
        reads=names(relations.reads),
        runs={function: tuple(map(name, tables)) for function, tables in relations.runs.items()},
    )


_CHANGES: dict[Kind, Callable[[Relations, Effect], Relations]] = {
    Kind.CREATE_TABLE: _created,
    Kind.CREATE_OTHER: _created,
    Kind.DROP_TABLE: _dropped,
    Kind.DROP_OTHER: _dropped,
    Kind.RENAME_TABLE: _table_renamed,
    Kind.ADD_INDEX: _index_added,
    Kind.ADD_UNIQUE_INDEX: _index_added,
    Kind.RENAME_INDEX: _index_renamed,
    Kind.DROP_CONSTRAINT: _constraint_dropped,
}


def _with_partition(relations: Relations, table: str, partition: str) -> Relations:
    children = (*relations.children.get(table, ()), partition)
    return replace(
        relations,
        children={**relations.children, table: children},
        parents={**relations.parents, partition: table},
    )


def _foreign_keys(statement: Statement) -> Iterator[ForeignKey]:
    """Yield the foreign keys that an ALTER TABLE or a CREATE TABLE makes."""
    cursor = Cursor(statement.words)
    if altered := altered_table(statement):
        table, parts = altered.name, [part for part in altered.actions.parts() if part.skip("ADD")]
    elif cursor.skip("CREATE", "TABLE"):
        cursor.skip_if_exists()
        table = cursor.name()
        parts = list(cursor.group().parts()) if cursor.comes("(") else []
    else:
        return
    for part in parts:
        if part.has("REFERENCES"):
            yield _foreign_key(table, part)


def _foreign_key(table: str, part: Cursor) -> ForeignKey:
    part.skip("COLUMN")
    part.skip_if_exists()
    name = part.column() if part.skip("CONSTRAINT") else ""
    if part.skip("FOREIGN", "KEY"):
        columns = part.group().column_names()
    else:
        columns = (part.column(),)
        while part and not part.comes("REFERENCES"):
            name = part.column() if part.skip("CONSTRAINT") else name
            if not part.comes("REFERENCES"):
                part.pop()
    while part and not part.skip("REFERENCES"):
        part.pop()
    referenced = part.name()
    chosen = name or f"{split_name(table)[1]}_{'_'.join(columns)}_fkey"
    deletes = part.has("ON", "DELETE", "CASCADE")
    changes = deletes or part.has("ON", "DELETE", "SET")
    return ForeignKey(chosen, table, columns, referenced, changes_on_delete=changes, deletes_on_delete=deletes)
