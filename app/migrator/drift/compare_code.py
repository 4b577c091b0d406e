"""What differs between the functions, views, triggers, policies and rules of two schemas."""

from collections.abc import Iterator

from . import code, columns, obstacles
from .catalogue import Schema
from .code import Attached
from .difference import Difference, Kind
from .pairing import NOTHING, difference, differing, either, in_both, mend


def routines(live: Schema, models: Schema) -> Iterator[Difference]:
    wanted = {signature: live.routines[signature] for signature in models.routines if signature in live.routines}
    for before, after in differing(wanted, models.routines):
        ddl = mend(before, after, create=code.create_routine, drop=code.drop_routine, change=code.change_routine)
        found = either(after, before)
        in_the_way = NOTHING
        if before and (before.kind, before.result) != (found.kind, found.result):
            in_the_way = obstacles.of_code(live, "function", found.signature)
        ddl = (*ddl, *columns.repairs(models, found.name))
        key = (found.signature,)
        yield difference(Kind.FUNCTION, key, before, after, lambda it: it.definition, ddl, in_the_way, found.signature)


def views(live: Schema, models: Schema) -> Iterator[Difference]:
    wanted = {name: live.views[name] for name in models.views if name in live.views}
    for before, after in differing(wanted, models.views):
        ddl = mend(before, after, create=code.create_view, drop=code.drop_view, change=code.change_view)
        name = either(after, before).name
        in_the_way = obstacles.of_code(live, "view", name)
        yield difference(Kind.VIEW, (name,), before, after, lambda view: view.definition, ddl, in_the_way)


def attached(live: Schema, models: Schema) -> Iterator[Difference]:
    both = in_both(live, models)
    before_all, after_all = (
        {key: found for key, found in schema.attached.items() if found.table in both} for schema in (live, models)
    )
    for before, after in differing(before_all, after_all):
        ddl = mend(before, after, create=code.create_attached, drop=code.drop_attached, change=code.change_attached)
        found: Attached = either(after, before)
        ddl = (*ddl, *columns.repairs(models, found.name))
        yield difference(found.kind, (found.table, found.name), before, after, lambda it: it.words, ddl)
