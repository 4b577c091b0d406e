"""What differs between the functions, views, triggers, policies and rules of two schemas."""

from collections.abc import Iterator

from . import code_ddl, obstacles, table_and_column_ddl
from .catalogue import Schema
from .code_ddl import Attached
from .difference import Difference, Kind
from .pairing import NOTHING, difference, differing_pairs, first_not_none, mending_statements, tables_in_both


def routines(live: Schema, models: Schema) -> Iterator[Difference]:
    wanted = {signature: live.routines[signature] for signature in models.routines if signature in live.routines}
    for before, after in differing_pairs(wanted, models.routines):
        ddl = mending_statements(
            before, after, create=code_ddl.create_routine, drop=code_ddl.drop_routine, change=code_ddl.change_routine
        )
        found = first_not_none(after, before)
        in_the_way = NOTHING
        if before and (before.kind, before.result) != (found.kind, found.result):
            in_the_way = obstacles.of_code(live, "function", found.signature)
        ddl = (*ddl, *table_and_column_ddl.repairs(models, found.name))
        key = (found.signature,)
        yield difference(Kind.FUNCTION, key, before, after, lambda it: it.definition, ddl, in_the_way, found.signature)


def views(live: Schema, models: Schema) -> Iterator[Difference]:
    wanted = {name: live.views[name] for name in models.views if name in live.views}
    for before, after in differing_pairs(wanted, models.views):
        ddl = mending_statements(
            before, after, create=code_ddl.create_view, drop=code_ddl.drop_view, change=code_ddl.change_view
        )
        name = first_not_none(after, before).name
        in_the_way = obstacles.of_code(live, "view", name)
        yield difference(Kind.VIEW, (name,), before, after, lambda view: view.definition, ddl, in_the_way)


def attached(live: Schema, models: Schema) -> Iterator[Difference]:
    both = tables_in_both(live, models)
    before_all, after_all = (
        {key: found for key, found in schema.attached.items() if found.table in both} for schema in (live, models)
    )
    for before, after in differing_pairs(before_all, after_all):
        ddl = mending_statements(
            before, after, create=code_ddl.create_attached, drop=code_ddl.drop_attached, change=code_ddl.change_attached
        )
        found: Attached = first_not_none(after, before)
        ddl = (*ddl, *table_and_column_ddl.repairs(models, found.name))
        yield difference(found.kind, (found.table, found.name), before, after, lambda it: it.description, ddl)
