"""The file of a baseline: what a dump says, as a revision that runs in whatever schema is the current one."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from alembic.script import Script

from ...postgres.errors import one_printable_line
from ..phase import Phase
from ..revisions.baselines import replaced_checksums
from ..revisions.checksum import DIGITS, checksum_of
from ..revisions.loading import phase_of
from ..sql.quoting import quote, quote_literal
from ..sql.tokens import statements_of
from .dump import Entry
from .scratch import SquashRefusedError

# A comment on an extension is the extension's own, and only its owner may set it.
_LEFT_OUT = re.compile(r"COMMENT ON EXTENSION\b|SET default_tablespace = ''|SET default_table_access_method = heap")
# A setting ends with the transaction, and a schema may have been left by a downgrade.
_BETTER = {"SET default_": "SET LOCAL default_", "CREATE SCHEMA ": "CREATE SCHEMA IF NOT EXISTS "}
_REWORDED = re.compile("^(?:" + "|".join(_BETTER) + ")")
# What SQLAlchemy would take for a parameter.
_PARAMETER = re.compile(r"(?<![:\w\x5c]):(?=\w)")


class Made(NamedTuple):
    """What a baseline makes, and drops again: statements, those that make each after a comment that names it."""

    sections: list[tuple[str, list[str]]]
    drops: list[str]


@dataclass(frozen=True)
class BaselineFile:
    """What a baseline's file says; `made_by_sql` are the objects that revisions have made by SQL of their own."""

    last: Script
    replaced: Sequence[Script]
    release: str
    server: str
    made: Made
    made_by_sql: Sequence[tuple[str, str]] = ()

    def render(self) -> str:
        """Return the content of the file."""
        phase = Phase.CONTRACT if any(phase_of(one) is Phase.CONTRACT for one in self.replaced) else Phase.EXPAND
        labels = sorted({label for one in self.replaced for label in _labels(one)})
        checksums = {name: checksum for one in self.replaced for name, checksum in replaced_checksums(one).items()}
        checksums |= {one.revision: checksum_of(one)[:DIGITS] for one in self.replaced}
        replaces = "".join(f'    "{name}": "{checksum}",\n' for name, checksum in checksums.items())
        own = "".join(f"    ({_quoted(table)}, {_quoted(name)}),\n" for table, name in self.made_by_sql)
        return f'''# ruff: noqa: E501, PLR0915
"""Everything that the revisions up to {self.last.revision} make, for an empty database.

Written from the schema that they made on PostgreSQL {self.server}, and compared with it. It counts as applied wherever
they are, so do not edit it.

Revision: {self.last.revision}
Created: {datetime.now(UTC):%Y-%m-%d %H:%M:%S+00:00}
"""

from alembic import op

revision = "{self.last.revision}"
down_revision = None
branch_labels = {_tuple(labels) if labels else "None"}
depends_on = None
phase = "{phase.value}"

# The release that has both this file and those that it replaces.
release = {_quoted(self.release)}
# Each revision, and the beginning of its file's SHA-256.
replaces = {{
{replaces}}}
# The tables and names of what was made by SQL, and not by Alembic's operations: no model is asked for it.
made_by_sql = {f"({chr(10)}{own})" if own else "()"}

# fmt: off


def upgrade() -> None:
    # Functions come before the tables that they name.
    op.execute("SET LOCAL check_function_bodies = off")
{"".join(_section(comment, statements) for comment, statements in self.made.sections)}

def downgrade() -> None:
{"".join(_call(statement) for statement in self.made.drops) or "    pass" + chr(10)}'''


def make_sections(entries: Iterable[Entry], schema: str, role: str) -> list[tuple[str, list[str]]]:
    """Return the statements of each entry, without the `schema` in names, and without the `role` that made them.

    Raises SquashRefusedError for what names the schema in another way.
    """
    found = [(f"{entry.kind} {entry.name}", list(_statements(entry, schema, role))) for entry in entries]
    for heading, statements in found:
        if any(schema in statement for statement in statements):
            raise SquashRefusedError(
                f"{heading} names the schema in which it is, which is another one in each database: it cannot be"
                " squashed. Nothing was written."
            )
    return [(heading, statements) for heading, statements in found if statements]


def unqualified(sql: str, schema: str) -> str:
    return sql.replace(f"{schema}.", "")


def _statements(entry: Entry, schema: str, role: str) -> Iterator[str]:
    # A sequence that nobody has used is as it was made.
    if entry.kind == "SEQUENCE SET" and entry.sql.endswith(", false);"):
        return
    sql, path = _without_search_path(entry.sql, schema)
    sql = unqualified(sql, schema).replace(f" WITH SCHEMA {schema};", ";")
    if entry.kind == "DEFAULT ACL":
        sql = sql.replace(f" FOR ROLE {role} ", " ", 1)
    for statement in statements_of(sql):
        if _LEFT_OUT.match(statement.text):
            continue
        yield _REWORDED.sub(lambda found: _BETTER[found[0]], statement.text)
    if path:
        name, _, arguments = unqualified(entry.name, schema).partition("(")
        alter = f"ALTER ROUTINE {quote(name)}({arguments} SET search_path = ".replace("%", "%%")
        others = "".join(f", {quote(other)}" for other in path).replace("%", "%%")
        yield f"DO $$ BEGIN EXECUTE format({quote_literal(f'{alter}%I{others}')}, current_schema()); END $$"


def _without_search_path(sql: str, schema: str) -> tuple[str, list[str]]:
    """Return a routine without a search_path that begins with the schema, and what follows the schema in that path."""
    found = re.search(rf"^    SET search_path TO '{schema}'((?:, '[^'\n]*')*)$", sql, re.MULTILINE)
    if found is None:
        return sql, []
    path = re.findall(r"'([^']*)'", found[1])
    if path == ["public"]:
        # The search_path of whoever ran the revisions.
        return sql.replace(found[0], "    SET search_path FROM CURRENT", 1), []
    return sql.replace(f"{found[0]}\n", "", 1), path


def _section(comment: str, statements: Iterable[str]) -> str:
    return f"\n    # {one_printable_line(comment, 200)}\n" + "".join(map(_call, statements))


def _call(statement: str) -> str:
    return f"    op.execute({_literal(_PARAMETER.sub(chr(92) + ':', statement))})\n"


def _literal(statement: str) -> str:
    """Return the statement as a Python string that stands as it is, where that is possible."""
    if '"""' in statement or statement[-1] in '"\\':
        return repr(statement)
    prefix = "r" if "\\" in statement else ""
    if "\n" in statement:
        return f'{prefix}"""{statement}"""' if statement[0] != '"' else repr(statement)
    return f'{prefix}"{statement}"' if '"' not in statement else f'{prefix}"""{statement}"""'


def _labels(script: Script) -> tuple[str, ...]:
    labels = getattr(script.module, "branch_labels", None) or ()
    return (labels,) if isinstance(labels, str) else tuple(labels)


def _tuple(names: Sequence[str]) -> str:
    return "(" + "".join(f"{_quoted(name)}, " for name in names).rstrip(" " if len(names) == 1 else ", ") + ")"


def _quoted(text: str) -> str:
    return f'"{text}"' if text.isprintable() and not set(text) & set('"\\') else repr(text)
