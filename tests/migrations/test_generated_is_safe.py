"""What a generation writes passes `lint`, and goes up, down and up again on a database with rows, for every change."""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy import CheckConstraint, Column, Index, MetaData, Table, UniqueConstraint, event, make_url
from sqlalchemy.schema import conv

from app.core.settings import Settings
from app.db.migrator_config import migrator_config
from app.migrator.autogenerate.rename_answers import ANSWERS, RenameAnswers
from app.migrator.drift.compare import compare
from app.migrator.phase import Phase
from app.migrator.preview.dry_run import read_dry_run
from app.models import metadata
from app.postgres.errors import MigrationFailedError
from tests.conftest import cloned, settings_for
from tests.migrations.conftest import Release
from tests.support.database import query
from tests.support.drift import named, read
from tests.support.generated import declared, generate, steps_of
from tests.support.migrator import alembic_config, downgrade, lint, plan, upgrade, upgrade_with_backfills
from tests.support.processes import BIN, ROOT


def _add_columns(table: Table, *columns: Column):
    for column in columns:
        table.append_column(column)


def _constrain(table: Table, *constraints: sa.Constraint):
    for constraint in constraints:
        table.append_constraint(constraint)


def _named(items, name: str):
    return next(item for item in items if item.name == name)


def _replace_unique(table: Table, *columns: str):
    table.constraints.discard(_named(table.constraints, "uq_tags_organization_id_slug"))
    if columns:
        table.append_constraint(UniqueConstraint(*columns, name=conv("uq_tags_organization_id_slug")))


def _replace_check(table: Table, name: str, condition: str):
    table.constraints.discard(_named(table.constraints, name))
    table.append_constraint(CheckConstraint(condition, name=conv(name)))


def _replace_index(table: Table, name: str, *columns: str):
    table.indexes.discard(_named(table.indexes, name))
    Index(name, *(table.c[column] for column in columns))


def _set_primary_key(table: Table, *columns: str):
    for column in table.c:
        column.primary_key = False
    table.append_constraint(sa.PrimaryKeyConstraint(*columns, name=str(table.primary_key.name)))


def _columns_of(constraint: sa.Constraint):
    return [column.name for column in getattr(constraint, "columns", ())]


def _drop_column(table: Table, name: str):
    for constraint in [each for each in table.constraints if name in _columns_of(each)]:
        table.constraints.discard(constraint)
    for index in [each for each in table.indexes if name in " ".join(map(str, each.expressions))]:
        table.indexes.discard(index)
    table._columns.remove(table.c[name])


def _new_table(beside: Table, name: str, *columns: Column):
    Table(name, beside.metadata, *columns)


def _drop_tables(*tables: Table):
    for table in tables:
        table.metadata.remove(table)


def _make(table: Table, *statements: str):
    for statement in statements:
        event.listen(table.metadata, "after_create", sa.DDL(statement.replace("%", "%%")))


def _id() -> Column:
    return Column("id", sa.BigInteger, sa.Identity(), primary_key=True)


def _set_default(column: Column, default: str | None, comment: str | None = None):
    column.comment = comment
    column.server_default = None if default is None else sa.DefaultClause(default)


def _require(column: Column, server_default: str | None = None, default: str | None = None):
    column.nullable = False
    if server_default is not None:
        _set_default(column, server_default)
    column.default = None if default is None else sa.ColumnDefault(default)


class Case(NamedTuple):
    """How the models change, the phases of the revisions, and what their steps have in them, in this order.

    `value` is what the maintainer writes where the generated backfill asks for a value, `before` the code of a revision
    that is there before, `loses` what the upgrade is said to lose, where that is of interest, and `not_reverted` what a
    downgrade leaves otherwise than it was.
    """

    change: Callable[[Mapping[str, Table]], object]
    phases: str
    steps: tuple[str, ...]
    value: str | None = None
    before: str | None = None
    loses: tuple[str, ...] | None = None
    not_reverted: tuple[str, ...] = ()


CHANGES: dict[str, Case] = {
    "an index": Case(
        lambda of: Index("ix_name", of["tags"].c.name),
        "expand",
        ("drop_index", "if_exists=True", "create_index", "postgresql_concurrently=True"),
    ),
    "two indexes": Case(
        lambda of: [Index("ix_name", of["tags"].c.name), Index("ix_color", of["tags"].c.color)],
        "expand expand",
        ("ix_color", "ix_name"),
    ),
    "a unique index": Case(
        lambda of: Index("ix_name", of["tags"].c.name, unique=True),
        "contract",
        ("unique=True", "postgresql_concurrently=True"),
    ),
    "a check": Case(
        lambda of: of["tags"].append_constraint(CheckConstraint("length(color) = 6", name="color_len")),
        "contract contract",
        ("postgresql_not_valid=True", "VALIDATE CONSTRAINT ck_tags_color_len"),
    ),
    "checks of two tables": Case(
        lambda of: (
            _constrain(of["tags"], CheckConstraint("name <> ''", name="named")),
            _constrain(of["boards"], CheckConstraint("name <> ''", name="named")),
        ),
        "contract contract contract",
        (
            "ck_boards_named",
            "ck_tags_named",
            "VALIDATE CONSTRAINT ck_boards_named",
            "VALIDATE CONSTRAINT ck_tags_named",
        ),
    ),
    "a foreign key": Case(
        lambda of: of["tags"].append_constraint(
            sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="again")
        ),
        "contract contract",
        ("postgresql_not_valid=True", "VALIDATE CONSTRAINT again"),
    ),
    "an index that is gone": Case(
        lambda of: of["task_tags"].indexes.discard(_named(of["task_tags"].indexes, "ix_task_tags_tag_id")),
        "expand",
        ("drop_index", "if_exists=True"),
    ),
    "two nullable columns of a table": Case(
        lambda of: _add_columns(of["tags"], Column("a", sa.Text), Column("b", sa.Text)),
        "expand",
        ("add_column", "add_column"),
    ),
    "a column of each of two tables": Case(
        lambda of: (_add_columns(of["tags"], Column("a", sa.Text)), _add_columns(of["boards"], Column("a", sa.Text))),
        "expand expand",
        ("add_column", "add_column"),
    ),
    "NULL forbidden where there is a default": Case(
        lambda of: _require(of["tags"].c.description, server_default="it's"),
        "expand contract contract contract",
        (
            'server_default="it\'s"',
            '"ck_tags_description_is_set"), "tags", "description IS NOT NULL", postgresql_not_valid=True',
            "VALIDATE CONSTRAINT ck_tags_description_is_set",
            "nullable=False",
            "drop_constraint",
        ),
    ),
    "NULL forbidden where the models have a default": Case(
        lambda of: _require(of["tags"].c.description, default="it's 100%: {new}"),
        "contract contract contract",
        ("postgresql_not_valid=True", "VALIDATE", "nullable=False"),
    ),
    "NULL forbidden where nobody knows a value": Case(
        lambda of: _require(of["tags"].c.description),
        "contract contract contract",
        ("postgresql_not_valid=True", "VALIDATE", "nullable=False"),
        value="name || '!'",
    ),
    "a required column with a default": Case(
        lambda of: _add_columns(of["tags"], Column("a", sa.Text, server_default="b", nullable=False)),
        "expand",
        ('server_default="b"',),
    ),
    "a required column with a time": Case(
        lambda of: _add_columns(
            of["tags"], Column("a", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False)
        ),
        "expand",
        ("now()",),
    ),
    "a required column with a default of its own for each row": Case(
        lambda of: _add_columns(
            of["tags"], Column("a", sa.Uuid, server_default=sa.func.gen_random_uuid(), nullable=False)
        ),
        "expand contract contract contract",
        ("add_column", "nullable=True", "server_default=", "gen_random_uuid()", "postgresql_not_valid=True"),
    ),
    "a required column": Case(
        lambda of: _add_columns(of["tags"], Column("a", sa.Text, nullable=False)),
        "expand contract contract contract",
        ("add_column", "nullable=True", "postgresql_not_valid=True", "VALIDATE", "nullable=False"),
        value="name",
    ),
    "a required column with an index and a foreign key": Case(
        lambda of: (
            _add_columns(of["tags"], Column("a", sa.ForeignKey("organizations.id"), index=True, nullable=False)),
        ),
        "expand expand expand contract contract contract",
        ("create_foreign_key", "create_index", "VALIDATE CONSTRAINT fk_tags_a", "VALIDATE CONSTRAINT ck_tags_a_is_set"),
        value="organization_id",
    ),
    "a unique constraint": Case(
        lambda of: _constrain(of["tags"], UniqueConstraint("name")),
        "contract contract",
        ("drop_index", "CREATE UNIQUE INDEX CONCURRENTLY uq_tags_name", "UNIQUE USING INDEX uq_tags_name"),
    ),
    "another unique constraint of the same name": Case(
        lambda of: _replace_unique(of["tags"], "organization_id", "slug", "name"),
        "contract contract",
        ("drop_index", "CREATE UNIQUE INDEX CONCURRENTLY drift_uq", "DROP CONSTRAINT uq", "ADD CONSTRAINT uq"),
    ),
    "a unique constraint that is gone": Case(
        lambda of: _replace_unique(of["tags"]),
        "contract",
        ("drop_constraint",),
    ),
    "another primary key": Case(
        lambda of: _set_primary_key(of["task_tags"], "tag_id", "task_id"),
        "contract contract",
        ("CREATE UNIQUE INDEX CONCURRENTLY drift_pk", "PRIMARY KEY USING INDEX drift_pk_task_tags"),
    ),
    "a primary key with a new column": Case(
        lambda of: (
            _add_columns(of["task_tags"], Column("n", sa.BigInteger, server_default="0", nullable=False)),
            _set_primary_key(of["task_tags"], "tag_id", "task_id", "n"),
        ),
        "expand contract contract",
        ("add_column", "CREATE UNIQUE INDEX CONCURRENTLY drift_pk", "PRIMARY KEY USING INDEX drift_pk_task_tags"),
    ),
    "a primary key that foreign keys rest on": Case(
        lambda of: (_set_primary_key(of["tags"], "id", "name"), _constrain(of["tags"], UniqueConstraint("id"))),
        "contract " * 7,
        (
            "DROP CONSTRAINT fk_task_tags_tag_id",
            "CREATE UNIQUE INDEX CONCURRENTLY drift_pk_tags",
            "PRIMARY KEY USING INDEX",
            "ADD CONSTRAINT fk_task_tags_tag_id FOREIGN KEY (tag_id) REFERENCES tags(id) ON DELETE CASCADE NOT VALID",
            "VALIDATE CONSTRAINT fk_task_tags_tag_id",
        ),
    ),
    "an index of the same name": Case(
        lambda of: _replace_index(of["task_tags"], "ix_task_tags_tag_id", "tag_id", "task_id"),
        "expand expand expand",
        ("CREATE INDEX CONCURRENTLY drift_ix", "drop_index", "RENAME TO ix_task_tags_tag_id"),
    ),
    "an index of another name": Case(
        lambda of: setattr(_named(of["task_tags"].indexes, "ix_task_tags_tag_id"), "name", "ix_other"),
        "expand",
        ("RENAME TO ix_other",),
    ),
    "another check of the same name": Case(
        lambda of: _replace_check(of["boards"], "ck_boards_max_agents", "max_agents > -1"),
        "contract contract",
        ("drop_constraint", "postgresql_not_valid=True", "VALIDATE"),
    ),
    "another foreign key of the same name": Case(
        lambda of: setattr(_named(of["task_tags"].constraints, "fk_task_tags_tag_id"), "ondelete", "SET NULL"),
        "contract contract",
        ("drop_constraint", "postgresql_not_valid=True", "VALIDATE"),
    ),
    "a check that is gone": Case(
        lambda of: of["boards"].constraints.discard(_named(of["boards"].constraints, "ck_boards_max_agents")),
        "contract",
        ("drop_constraint",),
    ),
    "a foreign key that is gone": Case(
        lambda of: of["task_tags"].constraints.discard(_named(of["task_tags"].constraints, "fk_task_tags_tag_id")),
        "contract",
        ("drop_constraint",),
    ),
    "a column that is gone": Case(lambda of: _drop_column(of["tags"], "description"), "contract", ("drop_column",)),
    "a required column that is gone": Case(
        lambda of: _drop_column(of["boards"], "description"),
        "expand expand contract",
        ("SET DEFAULT ''", "drop_column"),
    ),
    "a required column of a foreign key that is gone": Case(
        lambda of: _drop_column(of["task_comments"], "task_id"),
        "expand expand contract",
        ("DROP NOT NULL", "drop_column"),
        # It has no value that the rows could get.
        not_reverted=("column task_comments.task_id",),
    ),
    "a table": Case(
        lambda of: Table(
            "notes",
            of["tags"].metadata,
            Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
            Column("tag_id", sa.ForeignKey("tags.id"), index=True),
            Column("mood", sa.Enum("good", "bad", name="mood"), server_default="good"),
            Column("slug", sa.Text, unique=True),
        ),
        "expand",
        ("CREATE TYPE mood", "create_table"),
    ),
    "a table that refers to two": Case(
        lambda of: Table(
            "notes",
            of["tags"].metadata,
            Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
            Column("tag_id", sa.ForeignKey("tags.id"), index=True),
            Column("task_id", sa.ForeignKey("tasks.id"), index=True),
            Column("note_id", sa.ForeignKey("notes.id")),
        ),
        "expand expand expand",
        (
            "create_table",
            "fk_notes_tag_id",
            "fk_notes_task_id",
            "postgresql_not_valid",
            "VALIDATE CONSTRAINT fk_notes_task_id",
        ),
    ),
    "tables that refer to each other": Case(
        lambda of: (
            Table("a_notes", of["tags"].metadata, _id(), Column("z_id", sa.ForeignKey("z_notes.id"))),
            Table("z_notes", of["tags"].metadata, _id(), Column("a_id", sa.ForeignKey("a_notes.id"))),
        ),
        "expand expand expand",
        ("create_table(", "create_table(", "create_foreign_key", "VALIDATE"),
    ),
    "tables that are gone": Case(
        lambda of: _drop_tables(of["task_tags"], of["tags"]),
        "contract",
        ("DROP CONSTRAINT fk_task_tags_tag_id", "drop_table", "drop_table"),
    ),
    "a column of a new enum": Case(
        lambda of: _add_columns(of["tags"], Column("mood", sa.Enum("good", "bad", name="mood"))),
        "expand",
        ("CREATE TYPE mood", "add_column"),
    ),
    "a trigger with its function": Case(
        lambda of: _make(
            of["tags"],
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER noted BEFORE UPDATE ON tags FOR EACH ROW EXECUTE FUNCTION note()",
        ),
        "expand contract",
        ("CREATE FUNCTION", "CREATE TRIGGER noted"),
    ),
    "a view": Case(
        lambda of: _make(of["tags"], "CREATE VIEW names AS SELECT name FROM tags"), "expand", ("CREATE VIEW",)
    ),
    "a policy": Case(
        lambda of: _make(
            of["tags"], "CREATE POLICY p ON tags USING (name <> '')", "ALTER TABLE tags ENABLE ROW LEVEL SECURITY"
        ),
        "contract",
        ("CREATE POLICY p",),
    ),
    "a sequence": Case(
        lambda of: sa.Sequence("numbers", metadata=of["tags"].metadata), "expand", ("CREATE SEQUENCE numbers",)
    ),
    "a comment of a table": Case(
        lambda of: setattr(of["tags"], "comment", "it's"), "expand", ("COMMENT ON TABLE tags",)
    ),
    "an identity column": Case(
        lambda of: _add_columns(of["tags"], Column("number", sa.BigInteger, sa.Identity(start=5))),
        "expand contract contract contract",
        (
            "CREATE SEQUENCE",
            "GRANT USAGE",
            "nextval",
            "VALIDATE",
            "nullable=False",
            "AS IDENTITY",
            "setval",
            "DROP SEQUENCE",
        ),
    ),
    "numbers for a key without a default": Case(
        lambda of: _new_table(of["tags"], "logs", Column("id", sa.Integer, primary_key=True)),
        "expand contract",
        ("CREATE SEQUENCE", "setval", "GRANT USAGE", "nextval", "OWNED BY", "setval"),
        before="op.execute('CREATE TABLE logs (id integer CONSTRAINT pk_logs PRIMARY KEY)')\n"
        "op.execute('INSERT INTO logs VALUES (1), (2)')",
    ),
    "a table whose key refers to another one": Case(
        lambda of: _add_columns(of["tags"], Column("shelf_id", sa.Uuid, sa.ForeignKey("boards.id"))),
        "contract contract",
        ("drop_constraint", 'drop_table("shelves")'),
        before="op.execute('CREATE TABLE shelves (id uuid CONSTRAINT pk_shelves PRIMARY KEY)')\n"
        "op.execute('ALTER TABLE tags ADD shelf_id uuid CONSTRAINT fk_tags_shelf_id REFERENCES shelves')",
    ),
    "another value of an enum": Case(
        lambda of: _add_columns(of["tags"], Column("mood", sa.Enum("good", "fair", "bad", name="mood"))),
        "expand",
        ("ALTER TYPE mood ADD VALUE 'fair' AFTER 'good'",),
        before="op.execute(\"CREATE TYPE mood AS ENUM ('good', 'bad')\")\nop.execute('ALTER TABLE tags ADD mood mood')",
    ),
    "a longer varchar": Case(
        lambda of: _add_columns(of["tags"], Column("a", sa.String(9))),
        "expand",
        ("type_=sa.String(length=9)",),
        before="op.execute('ALTER TABLE tags ADD a varchar(5)')",
    ),
    "a varchar that becomes a text": Case(
        lambda of: _add_columns(of["tags"], Column("a", sa.Text)),
        "expand",
        ("type_=sa.Text()",),
        before="op.execute('ALTER TABLE tags ADD a varchar(5)')",
    ),
    "another body of a function": Case(
        lambda of: _make(
            of["tags"], "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'"
        ),
        "contract",
        ("CREATE OR REPLACE FUNCTION",),
        before="op.execute(\"CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'\")",
    ),
    "a type": Case(
        lambda of: setattr(of["boards"].c.max_agents, "type", sa.BigInteger()),
        "expand contract contract contract contract contract",
        (
            'add_column("boards", sa.Column("max_agents_new", sa.BigInteger(), nullable=True',
            "CREATE TRIGGER",
            "drift_ck_boards_max_agents CHECK (max_agents_new >= 0) NOT VALID",
            "DROP TRIGGER",
            'drop_column("boards", "max_agents")',
            'new_column_name="max_agents"',
        ),
        loses=(),
    ),
    "a type with an index and a unique constraint": Case(
        lambda of: setattr(of["tags"].c.slug, "type", sa.String()),
        "expand expand contract contract contract",
        ("CREATE UNIQUE INDEX CONCURRENTLY drift_uq", "UNIQUE USING INDEX drift_uq"),
    ),
    "a type that not every value fits": Case(
        lambda of: setattr(of["users"].c.notes, "type", sa.BigInteger()),
        "contract contract",
        ("CREATE TRIGGER", "drop_column"),
        loses=("what users.notes_new cannot hold of users.notes, which it mirrors",),
    ),
    "a type of a fixed length that becomes a text": Case(
        lambda of: _add_columns(of["tags"], Column("a", sa.Text)),
        "expand contract",
        ("NEW.a := NEW.a_new::bpchar;", "drop_column"),
        before='op.execute("ALTER TABLE tags ADD a char(5)")\nop.execute("UPDATE tags SET a = \'abc\'")',
    ),
    "a time that gets a zone": Case(
        lambda of: _add_columns(of["tags"], Column("a", sa.DateTime(timezone=True))),
        "contract contract",
        ("What has no time zone is taken as UTC", "SET timezone = 'UTC'", "drop_column"),
        before="op.execute('ALTER TABLE tags ADD a timestamp')",
    ),
    "an index of a partitioned table": Case(
        lambda of: Index("ix_activity_events_message", of["activity_events"].c.message),
        "expand",
        ("create_index", "postgresql_concurrently=True"),
    ),
    "a unique constraint of a partitioned table": Case(
        lambda of: _constrain(of["activity_events"], UniqueConstraint("message", "created_at", name="uq_message")),
        "contract contract",
        (
            "ALTER TABLE ONLY activity_events ADD CONSTRAINT uq_message UNIQUE",
            "CONCURRENTLY IF NOT EXISTS uq_message ON",
        ),
    ),
    "a foreign key and a check of a partitioned table": Case(
        lambda of: _constrain(
            of["activity_events"],
            sa.ForeignKeyConstraint(["board_id"], ["boards.id"], name="fk_board"),
            CheckConstraint("message <> ''", name="said"),
        ),
        "contract contract contract contract",
        (
            "ck_activity_events_said",
            "VALIDATE CONSTRAINT ck_activity_events_said",
            "fk_board",
            "VALIDATE CONSTRAINT fk_board",
        ),
    ),
    "NULL forbidden in a partitioned table": Case(
        lambda of: _require(of["activity_events"].c.message, server_default="none"),
        "expand contract contract contract",
        ("postgresql_not_valid=True", "VALIDATE", "nullable=False"),
    ),
    "a type of a partitioned table": Case(
        lambda of: setattr(of["activity_events"].c.message, "type", sa.String()),
        "expand contract",
        ("message_new", "CREATE TRIGGER", "drop_column"),
    ),
    "NULL allowed": Case(
        lambda of: setattr(of["tags"].c.name, "nullable", True),
        "contract",
        ("nullable=True",),
    ),
    "another default and a comment": Case(
        lambda of: _set_default(of["tags"].c.color, "123456", comment="a:b"),
        "expand",
        ('server_default="123456"', 'comment="a:b"'),
    ),
    "a default that is gone": Case(
        lambda of: _set_default(of["tags"].c.color, None),
        "contract",
        ("server_default=None",),
    ),
}


# The tables that change, and those that they reference. To compare the others takes as long, and tells nothing.
TABLES = {
    "activity_events",
    "agents",
    "board_groups",
    "boards",
    "organizations",
    "tags",
    "task_comments",
    "task_tags",
    "tasks",
    "users",
}


@pytest.fixture(scope="module")
def template(server_url: str, administer: Callable[[str], None], migrated_template: str) -> Iterator[str]:
    """The name of a database at head that has these tables alone."""
    with cloned(server_url, administer, migrated_template) as url:
        others = ", ".join(metadata.tables.keys() - TABLES)
        query(url, f"DROP TABLE {others} CASCADE; DROP FUNCTION count_tasks, forget_task_counts CASCADE")
        yield str(make_url(url).database)


@pytest.fixture
def database_url(server_url: str, template: str, administer: Callable[[str], None]) -> Iterator[str]:
    with cloned(server_url, administer, template) as url:
        yield url


@pytest.fixture
def changed(changed: MetaData) -> MetaData:
    for name in changed.tables.keys() - TABLES:
        changed.remove(changed.tables[name])
    return changed


@pytest.fixture
def release(release: Release) -> Release:
    """A release without the backfills of before, which each upgrade would go over again."""
    for file in (release.root / "migrations" / "backfills").glob("*.py"):
        file.unlink()
    return release


@pytest.fixture
def rows(database_url: str) -> None:
    """Rows in the tables that change."""
    query(
        database_url,
        "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'o');"
        " INSERT INTO tags (id, organization_id, name, slug, color)"
        " SELECT gen_random_uuid(), id, 'tag ' || n, 'tag-' || n, lpad(n::text, 6, '0')"
        " FROM organizations, generate_series(1, 9) AS n;"
        " INSERT INTO activity_events (id, organization_id, event_type, created_at)"
        " SELECT gen_random_uuid(), id, 'seen', now() + make_interval(months => n)"
        " FROM organizations, generate_series(-1, 1) AS n",
    )


@pytest.fixture
def role(database_url: str, administer: Callable[[str], None]) -> Iterator[str]:
    """A role that owns nothing."""
    name = f"role_{uuid4().hex}"
    administer(f"CREATE ROLE {name}")
    yield name
    query(database_url, f"DROP OWNED BY {name}")
    administer(f"DROP ROLE {name}")


def findings(settings: Settings, files: list[Path]) -> list[str]:
    revisions = [str(declared(file, "revision")).strip("\"'") for file in files]
    return [f"{found.rule}: {found.message} {found.rewrite}" for found in lint(settings, revisions).findings]


def unknown_in_dry_run(settings: Settings) -> list[str]:
    found = read_dry_run(migrator_config(settings))
    return [f"{revision.revision}: {unknown}" for revision in found.revisions for unknown in revision.unknown]


@pytest.mark.parametrize("change", CHANGES)
def test_generated_change_passes_lint_and_goes_up_down_and_up(
    database_url: str,
    release: Release,
    changed: MetaData,
    rows: None,
    change: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings, case = settings_for(database_url), CHANGES[change]
    if case.before:
        release.add(case.before)
        upgrade(settings)
    head = release.head or ""
    case.change(changed.tables)
    backfills = release.root / "migrations" / "backfills"
    files_before = set(backfills.iterdir())
    files = generate(settings)
    assert ("taken as UTC" in caplog.text) == (change == "a time that gets a zone")
    # Texts are written in pieces.
    steps = re.sub(r'"\n +"', "", "\n".join(map(steps_of, files)))
    for file in set(backfills.iterdir()) - files_before:
        _check_backfill(file, settings, case.value)
    assert findings(Settings(), files) == [], steps
    assert " ".join(str(declared(file, "phase")).strip('"') for file in files) == case.phases.strip(), steps
    at = 0
    for text in case.steps:
        assert text in steps[at:], steps
        at = steps.index(text, at) + len(text)
    assert unknown_in_dry_run(settings) == [], steps
    if case.loses is not None:
        assert tuple(loss.what for loss in plan(settings).losses) == case.loses
    before = read(database_url)
    upgrade_with_backfills(settings)
    command.check(alembic_config(settings))
    downgrade(settings, head, accept_data_loss=True)
    assert named(compare(read(database_url), before)) == list(case.not_reverted), steps
    upgrade_with_backfills(settings)


@pytest.mark.parametrize("privilege", ["INSERT", "INSERT (note)"])
@pytest.mark.parametrize("made", ["id", "number"])
def test_new_numbers_are_free_and_given_to_all_who_may_insert(
    database_url: str, release: Release, changed: MetaData, role: str, privilege: str, made: str
) -> None:
    """The expand revisions alone are applied: the previous release goes on, under a role that owns nothing."""
    release.add("op.execute('CREATE TABLE logs (id integer CONSTRAINT pk_logs PRIMARY KEY, note text)')")
    upgrade(settings_for(database_url))
    query(database_url, f"INSERT INTO logs VALUES (1), (2); GRANT {privilege} ON logs TO {role}")
    number = [Column("number", sa.BigInteger, sa.Identity())] if made == "number" else []
    is_made = made == "id"
    _new_table(
        changed.tables["tags"],
        "logs",
        Column("id", sa.Integer, primary_key=True, autoincrement=is_made),
        Column("note", sa.Text),
        *number,
    )
    generate(settings_for(database_url))
    upgrade(settings_for(database_url), phase=Phase.EXPAND)
    if not is_made:
        query(database_url, "ALTER TABLE logs ALTER id SET DEFAULT 3")
    query(database_url, f"SET ROLE {role}; INSERT INTO logs (note) VALUES ('new')")
    assert query(database_url, f"SELECT {made} FROM logs WHERE note = 'new'") == [(3 if is_made else 1,)]
    if is_made:
        # The previous release goes on to give numbers itself, and overtakes.
        query(database_url, "INSERT INTO logs VALUES (8, 'old')")
        upgrade(settings_for(database_url))
        query(database_url, f"SET ROLE {role}; INSERT INTO logs (note) VALUES ('later')")
        assert query(database_url, "SELECT id FROM logs WHERE note = 'later'") == [(9,)]


def test_column_of_another_type_or_name_has_the_privileges_of_the_old_one_there_and_back(
    database_url: str, release: Release, changed: MetaData, role: str
) -> None:
    settings, head = settings_for(database_url), release.head or ""
    query(database_url, f"GRANT SELECT (color, description), UPDATE (color) ON tags TO {role}")
    query(database_url, f"GRANT UPDATE (description) ON tags TO {role} WITH GRANT OPTION")
    granted = (
        "SELECT column_name, privilege_type, is_grantable FROM information_schema.column_privileges"
        f" WHERE grantee = '{role}' ORDER BY 1, 2"
    )
    before = query(database_url, granted)
    changed.tables["tags"].c.color.type = sa.String()
    _drop_column(changed.tables["tags"], "description")
    _add_columns(changed.tables["tags"], Column("text", sa.Text))
    token = ANSWERS.set(RenameAnswers(("tags.description:text",)))
    try:
        files = generate(settings)
    finally:
        ANSWERS.reset(token)
    assert findings(Settings(), files) == []
    upgrade(settings, phase=Phase.EXPAND)
    assert [(name, *rest) for name, *rest in query(database_url, granted) if name in {"text", "color_new"}] == [
        ("color_new", "SELECT", "NO"),
        ("color_new", "UPDATE", "NO"),
        ("text", "SELECT", "NO"),
        ("text", "UPDATE", "YES"),
    ]
    upgrade_with_backfills(settings)
    after = query(database_url, granted)
    assert [(name.replace("text", "description"), *rest) for name, *rest in after] == before
    downgrade(settings, head, accept_data_loss=True)
    assert query(database_url, granted) == before


def _check_backfill(file: Path, settings: Settings, value: str | None) -> None:
    ruff = [str(BIN / "ruff"), "format", "--check", "--config", str(ROOT / "pyproject.toml"), str(file)]
    assert subprocess.run(ruff, check=False).returncode == 0, file.read_text()
    assert ("{value}" in file.read_text()) == (value is not None)
    if value is not None:
        with pytest.raises(MigrationFailedError, match=r"`update` has \{value\} where the value of the old"):
            lint(settings)
        with pytest.raises(MigrationFailedError, match=r"`update` has \{value\}"):
            upgrade(settings)
        file.write_text(file.read_text().replace("{value}", value))


def test_new_type_of_what_may_no_longer_be_null_has_no_safe_form_and_lint_says_so(
    database_url: str, release: Release, changed: MetaData
) -> None:
    column = changed.tables["users"].c.timezone
    column.type, column.nullable = sa.BigInteger(), False
    files = generate(settings_for(database_url))
    assert "timezone_new" not in "".join(map(steps_of, files))
    assert "changing-column-type" in " ".join(findings(Settings(), files))
