"""The table of operations that published lists call unsafe, and of their safe ways, as revisions."""

import textwrap
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from alembic.script import Script

from app.migrator.lint.known_schema import ParsedRevision, parse_revisions
from app.migrator.lint.linter import findings_on_each
from tests.migrations.conftest import autocommit, sql
from tests.support.processes import ROOT

# What the operations are about.
SCHEMA = """
    CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE DOMAIN code AS text;
    CREATE TABLE users (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL, name text, age bigint,
        note varchar(20) DEFAULT '', mood mood NOT NULL, payload jsonb, created_at timestamptz DEFAULT now() NOT NULL
    );
    CREATE UNIQUE INDEX uq_users_email ON users (email);
    CREATE INDEX ix_users_name ON users (name);
    CREATE TABLE orders (
        id bigint NOT NULL, user_id bigint REFERENCES users (id), total numeric(10, 2), state text,
        CONSTRAINT pk_orders PRIMARY KEY (id), CONSTRAINT ck_orders_total CHECK (total > 0)
    );
    CREATE TABLE products (id bigint NOT NULL, sku text NOT NULL, price bigint);
    CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, kind text) PARTITION BY RANGE (at);
    CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE INDEX ix_events_kind ON events (kind);
    CREATE SEQUENCE numbers;
    CREATE VIEW glad_users AS SELECT id, name FROM users;
    CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS orders FROM orders;
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
    CREATE TRIGGER touched BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
    CREATE SCHEMA archive;
"""
_FILE = """
import sqlalchemy as sa
from alembic import op

down_revision = None
phase = {phase!r}

def upgrade():
"""
_NOTHING = "nothing: "
_OUTSIDE = "outside: "


# The safe ways come below it.
_SAFE = "# Safe ways"


@dataclass(frozen=True)
class Operation:
    """A line of the table; `rules` find it, and where there is none, `reason` says why."""

    lists: str
    phase: str
    what: str
    rules: frozenset[str]
    reason: str
    steps: tuple[str, ...]


def read(line: str) -> Operation:
    lists, phase, what, verdict, steps = line.split(" | ", 4)
    is_fine = verdict.startswith(_NOTHING)
    rules = frozenset() if is_fine else frozenset(verdict.split())
    reason = verdict.removeprefix(_NOTHING) if is_fine else ""
    return Operation(lists, phase, what, rules, reason, tuple(steps.split(" // ")))


TABLE = (ROOT / "tests" / "migrations" / "unsafe_operations.txt").read_text(encoding="utf-8").splitlines()
OPERATIONS = [read(line) for line in TABLE if line and not line.startswith("#")]
_BELOW = next(place for place, line in enumerate(TABLE) if line.startswith(_SAFE))
# How many of them are unsafe; the others are safe ways.
UNSAFE = sum(bool(line) and not line.startswith("#") for line in TABLE[:_BELOW])


def code_of(step: str) -> str:
    """Return the body of upgrade()."""
    if step.startswith(_OUTSIDE):
        return autocommit(*step.removeprefix(_OUTSIDE).split("; "))
    return step if step.startswith("op.") else sql(step)


def script(name: str, step: str, phase: str) -> Script:
    module = ModuleType(name)
    exec(_FILE.format(phase=phase) + textwrap.indent(code_of(step), "    "), vars(module))
    return Script(module, name, f"{name}.py")


def parsed(number: int, operation: Operation) -> list[ParsedRevision]:
    steps = [script(f"{number}_{place}", step, operation.phase) for place, step in enumerate(operation.steps)]
    return list(parse_revisions([script("schema", SCHEMA, "expand"), *steps]))[1:]


@cache
def found() -> dict[int, set[str]]:
    """The rules that find something in each operation, by its place in the table."""
    revisions = [revision for number, each in enumerate(OPERATIONS) for revision in parsed(number, each)]
    rules: dict[int, set[str]] = {number: set() for number in range(len(OPERATIONS))}
    for finding in findings_on_each(revisions, {}):
        rules[int((finding.revision or "").partition("_")[0])].add(finding.rule)
    return rules
