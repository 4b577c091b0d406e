"""Check whether an old database can be taken over, and what of it is not taken over as it is."""

from collections.abc import Sequence
from typing import NamedTuple

from app.importing.mission_control.dependency_cycles import find_cycles
from app.importing.mission_control.findings import EXAMPLES, Finding
from app.importing.mission_control.mapping import SUBJECT
from app.importing.mission_control.rules import NOTES, PROBLEMS, Rule
from app.importing.mission_control.source import Source
from app.importing.mission_control.target import Target
from app.importing.mission_control.unusable_values import find_unusable

_FOUND = (
    "WITH found AS MATERIALIZED ({})"
    f" SELECT (SELECT count(*) FROM found), ARRAY(SELECT id::text FROM found ORDER BY id LIMIT {EXAMPLES})"
)

_SIGNED_IN = "has signed in to this database before, as another user: use an empty database"
# With them this person would get the memberships of the other one.
_SOMEBODY_ELSE = "the id is somebody else's in this database: set OIDC_ISSUER as it was for the first import"


async def find_problems(source: Source) -> list[Finding]:
    """Return which rows cannot be taken over."""
    return [*await _apply(source, PROBLEMS), *await find_unusable(source), *await find_cycles(source)]


async def find_notes(source: Source) -> list[Finding]:
    """Return which rows are not taken over, or not as they are."""
    return await _apply(source, NOTES)


async def _apply(source: Source, rules: Sequence[Rule]) -> list[Finding]:
    found = []
    for rule in rules:
        ((rows, ids),) = await source.fetch(_FOUND.format(rule.rows))
        if rows:
            found.append(Finding(rule.table, rule.told, rows, ids))
    return found


class Known(NamedTuple):
    """The ids of organizations or people of the old database: those that this one has, and those that are new to it."""

    present: list[str]
    new: list[str]


async def compare_ids(source: Source, target: Target, table: str) -> Known:
    """Compare the ids of a table that has the same name in both."""
    ids = [row[0] for row in await source.fetch(f"SELECT id::text FROM {table} ORDER BY id")]
    statement = f"SELECT id::text FROM {table} WHERE id = ANY(CAST(:ids AS uuid[]))"
    present = {row[0] for row in await target.fetch(statement, ids=ids)}
    return Known([key for key in ids if key in present], [key for key in ids if key not in present])


def find_present(table: str, known: Known) -> list[Finding]:
    """Return those that are there already, which only --resume leaves as they are."""
    told = "is in this database already: use an empty database, or --resume to leave what was taken over as it is"
    return _finding(table, told, known.present)


async def find_namesakes(source: Source, target: Target) -> list[Finding]:
    """Return the people whom this database has under another id, or whose id it has for somebody else."""
    people = await source.fetch(f"SELECT u.id::text, {SUBJECT} FROM users AS u")
    statement = (
        "SELECT old.id::text, users.id = old.id FROM unnest(CAST(:ids AS uuid[]), CAST(:subjects AS text[]))"
        " AS old (id, subject) JOIN users ON users.subject = old.subject OR users.id = old.id"
        " WHERE users.subject <> old.subject OR users.id <> old.id ORDER BY old.id"
    )
    found = await target.fetch(statement, ids=[row[0] for row in people], subjects=[row[1] for row in people])
    return [
        *_finding("users", _SIGNED_IN, [key for key, has_id in found if not has_id]),
        *_finding("users", _SOMEBODY_ELSE, [key for key, has_id in found if has_id]),
    ]


def _finding(table: str, told: str, ids: Sequence[str]) -> list[Finding]:
    return [Finding(table, told, len(ids), ids[:EXAMPLES])] if ids else []
