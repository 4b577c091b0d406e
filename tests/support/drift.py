"""Ways for a database to drift from its models, and looking at what a comparison makes of them."""

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import MetaData, event
from sqlalchemy.dialects.postgresql import ARRAY, INT4RANGE, ExcludeConstraint

from app.migrator.drift.catalogue import Schema, read_schema
from app.migrator.drift.difference import Difference, script
from app.migrator.drift.report import LOSES_DATA, as_sql
from app.migrator.drift.scratch_schema import differences
from app.migrator.engine_tables import engine_tables
from app.models import metadata
from app.postgres.url.database_url import normalize_database_url
from tests.support.database import query, unpooled
from tests.support.waiting import PATIENCE

# What somebody did to the database -> the differences that it makes.
TAMPERED: dict[str, tuple[str, ...]] = {
    "ALTER TABLE tasks DROP COLUMN due_at": ("column tasks.due_at",),
    "ALTER TABLE boards DROP COLUMN max_agents": (
        "column boards.max_agents",
        "check constraint boards.ck_boards_max_agents",
    ),
    "ALTER TABLE boards ALTER COLUMN max_agents TYPE bigint": ("column boards.max_agents",),
    "ALTER TABLE tasks ALTER COLUMN status TYPE varchar(20)": ("column tasks.status",),
    "ALTER TABLE tags ALTER COLUMN color DROP DEFAULT": ("column tags.color",),
    "ALTER TABLE tags ALTER COLUMN color SET DEFAULT '00ff00'": ("column tags.color",),
    "ALTER TABLE tags ALTER COLUMN name SET DEFAULT 'unnamed'": ("column tags.name",),
    "ALTER TABLE tags ALTER COLUMN name DROP NOT NULL": ("column tags.name",),
    "ALTER TABLE tags ALTER COLUMN description SET NOT NULL": ("column tags.description",),
    'ALTER TABLE tags ALTER COLUMN name TYPE text COLLATE "C"': ("column tags.name",),
    "ALTER TABLE tags ADD COLUMN shade text": ("column tags.shade",),
    'ALTER TABLE tags ADD COLUMN "Shade of ""it""" text': ('column tags."Shade of ""it"""',),
    "ALTER TABLE tags RENAME COLUMN color TO colour": ("column tags.colour", "column tags.color"),
    "ALTER TABLE tasks ALTER COLUMN due_at TYPE text": ("column tasks.due_at",),
    "ALTER TABLE task_tags SET UNLOGGED": ("table task_tags",),
    "CREATE TABLE notes (id serial PRIMARY KEY, tag uuid REFERENCES tags, mood text CHECK (mood <> ''))": (
        "table notes",
    ),
    'CREATE TABLE "Odd Notes" (id int)': ('table "Odd Notes"',),
    "DROP TABLE task_comments": ("table task_comments",),
    "DROP INDEX ix_task_tags_tag_id": ("index ix_task_tags_tag_id",),
    "CREATE INDEX by_title ON tasks (lower(title)) WHERE due_at IS NOT NULL": ("index by_title",),
    "DROP INDEX ix_task_tags_tag_id; CREATE INDEX ix_task_tags_tag_id ON task_tags (tag_id DESC)": (
        "index ix_task_tags_tag_id",
    ),
    "DROP INDEX ix_task_tags_tag_id; CREATE UNIQUE INDEX ix_task_tags_tag_id ON task_tags (tag_id)": (
        "index ix_task_tags_tag_id",
    ),
    "ALTER INDEX ix_task_tags_tag_id RENAME TO tags_of_tasks": ("index ix_task_tags_tag_id",),
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_task_tags_tag_id'::regclass": (
        "index ix_task_tags_tag_id",
    ),
    "ALTER TABLE boards DROP CONSTRAINT ck_boards_max_agents": ("check constraint boards.ck_boards_max_agents",),
    "ALTER TABLE boards DROP CONSTRAINT ck_boards_max_agents,"
    " ADD CONSTRAINT ck_boards_max_agents CHECK (max_agents > 0)": ("check constraint boards.ck_boards_max_agents",),
    "ALTER TABLE boards DROP CONSTRAINT ck_boards_max_agents,"
    " ADD CONSTRAINT ck_boards_max_agents CHECK (max_agents >= 0) NOT VALID": (
        "check constraint boards.ck_boards_max_agents",
    ),
    "ALTER TABLE boards RENAME CONSTRAINT ck_boards_max_agents TO boards_check": (
        "check constraint boards.ck_boards_max_agents",
    ),
    "ALTER TABLE boards ADD CONSTRAINT few CHECK (max_agents < 9)": ("check constraint boards.few",),
    "ALTER TABLE tasks DROP CONSTRAINT fk_tasks_board_id": ("foreign key tasks.fk_tasks_board_id",),
    "ALTER TABLE tasks DROP CONSTRAINT fk_tasks_board_id,"
    " ADD CONSTRAINT fk_tasks_board_id FOREIGN KEY (board_id) REFERENCES boards": (
        "foreign key tasks.fk_tasks_board_id",
    ),
    "ALTER TABLE tasks ALTER CONSTRAINT fk_tasks_board_id DEFERRABLE INITIALLY DEFERRED": (
        "foreign key tasks.fk_tasks_board_id",
    ),
    "ALTER TABLE tasks ADD CONSTRAINT self FOREIGN KEY (id) REFERENCES tasks": ("foreign key tasks.self",),
    "ALTER TABLE tags DROP CONSTRAINT uq_tags_organization_id_slug": (
        "unique constraint tags.uq_tags_organization_id_slug",
    ),
    "ALTER TABLE tags DROP CONSTRAINT uq_tags_organization_id_slug;"
    " ALTER TABLE tags ADD CONSTRAINT uq_tags_organization_id_slug UNIQUE (organization_id, slug) DEFERRABLE": (
        "unique constraint tags.uq_tags_organization_id_slug",
    ),
    "ALTER TABLE tags DROP CONSTRAINT uq_tags_organization_id_slug;"
    " CREATE UNIQUE INDEX uq_tags_organization_id_slug ON tags (organization_id, slug)": (
        "unique constraint tags.uq_tags_organization_id_slug",
        "index uq_tags_organization_id_slug",
    ),
    "ALTER TABLE tags ADD CONSTRAINT uq_tags_name UNIQUE (name)": ("unique constraint tags.uq_tags_name",),
    "ALTER TABLE tags DROP CONSTRAINT pk_tags CASCADE": (
        "foreign key task_tags.fk_task_tags_tag_id",
        "primary key tags.pk_tags",
    ),
    "ALTER TABLE tags RENAME CONSTRAINT pk_tags TO tags_pkey": ("primary key tags.pk_tags",),
    "ALTER TABLE task_tags DROP CONSTRAINT pk_task_tags, ADD CONSTRAINT pk_task_tags PRIMARY KEY (tag_id, task_id)": (
        "primary key task_tags.pk_task_tags",
    ),
    "CREATE SEQUENCE numbers": ("sequence numbers",),
    "CREATE TYPE mood AS ENUM ('good', 'bad')": ("enum mood",),
    "CREATE TYPE mood AS ENUM ('good'); ALTER TABLE tags ADD COLUMN mood mood": ("enum mood", "column tags.mood"),
    # A column cannot be NULL before it has left the primary key.
    "ALTER TABLE rate_limits DROP CONSTRAINT pk_rate_limits, ADD CONSTRAINT pk_rate_limits PRIMARY KEY (key, began_at);"
    " ALTER TABLE tags DROP CONSTRAINT pk_tags CASCADE, ADD CONSTRAINT pk_tags PRIMARY KEY (id, description)": (
        "column tags.description",
        "primary key rate_limits.pk_rate_limits",
        "primary key tags.pk_tags",
        "foreign key task_tags.fk_task_tags_tag_id",
    ),
    "ALTER TABLE tags DROP CONSTRAINT pk_tags CASCADE, ADD CONSTRAINT other PRIMARY KEY (description)": (
        "column tags.description",
        "primary key tags.other",
        "primary key tags.pk_tags",
        "foreign key task_tags.fk_task_tags_tag_id",
    ),
    "ALTER TABLE tags RENAME TO labels": ("table tags", "table labels", "foreign key task_tags.fk_task_tags_tag_id"),
    # What acts by itself.
    "DROP TRIGGER count_added ON tasks": ("trigger tasks.count_added",),
    "ALTER TABLE tasks DISABLE TRIGGER count_changed": ("trigger tasks.count_changed",),
    "ALTER TABLE tasks ENABLE REPLICA TRIGGER count_changed": ("trigger tasks.count_changed",),
    "ALTER TABLE tasks ENABLE ALWAYS TRIGGER count_changed": ("trigger tasks.count_changed",),
    "ALTER TABLE boards DISABLE TRIGGER USER": ("trigger boards.forget_task_counts",),
    "ALTER TABLE task_tags DISABLE TRIGGER ALL": (
        "foreign key task_tags.fk_task_tags_tag_id",
        "foreign key task_tags.fk_task_tags_task_id",
    ),
    "ALTER TRIGGER count_added ON tasks RENAME TO counts": ("trigger tasks.counts", "trigger tasks.count_added"),
    "CREATE OR REPLACE TRIGGER count_truncated AFTER TRUNCATE ON tasks EXECUTE FUNCTION forget_task_counts()": (
        "trigger tasks.count_truncated",
    ),
    "CREATE TRIGGER more AFTER INSERT ON tags REFERENCING NEW TABLE AS added FOR EACH STATEMENT"
    " EXECUTE FUNCTION count_tasks()": ("trigger tags.more",),
    "DROP FUNCTION count_tasks() CASCADE": (
        "function count_tasks()",
        *(f"trigger tasks.count_{event}" for event in ("added", "changed", "removed", "truncated")),
    ),
    "CREATE OR REPLACE FUNCTION forget_task_counts() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
    " SET search_path = public, pg_temp AS 'BEGIN RETURN NULL; END'": ("function forget_task_counts()",),
    "ALTER FUNCTION count_tasks() SECURITY INVOKER": ("function count_tasks()",),
    "ALTER FUNCTION count_tasks() RESET search_path": ("function count_tasks()",),
    "ALTER FUNCTION count_tasks() IMMUTABLE STRICT": ("function count_tasks()",),
    "DROP FUNCTION count_tasks() CASCADE; CREATE FUNCTION count_tasks() RETURNS int LANGUAGE sql AS 'SELECT 1'": (
        "function count_tasks()",
        *(f"trigger tasks.count_{event}" for event in ("added", "changed", "removed", "truncated")),
    ),
    "DROP TABLE task_counts": ("table task_counts",),
    "ALTER TABLE tags ENABLE ROW LEVEL SECURITY": ("table tags",),
    "ALTER TABLE tags FORCE ROW LEVEL SECURITY": ("table tags",),
    "CREATE POLICY p ON tags AS RESTRICTIVE FOR SELECT TO CURRENT_USER USING (name <> '')": ("policy tags.p",),
    "ALTER TABLE tags ADD COLUMN shade text; CREATE POLICY p ON users USING ((SELECT count(shade) FROM tags) > 0)": (
        "column tags.shade",
        "policy users.p",
    ),
    "ALTER TABLE tags ALTER name TYPE varchar(40); CREATE TRIGGER t BEFORE UPDATE OF name ON tags FOR EACH ROW"
    " WHEN (NEW.name <> '') EXECUTE FUNCTION suppress_redundant_updates_trigger()": (
        "column tags.name",
        "trigger tags.t",
    ),
    "CREATE RULE r AS ON DELETE TO tags DO INSTEAD NOTHING": ("rule tags.r",),
}
# What somebody did to the database -> what is in the way of mending it, and how somebody takes it away.
BLOCKED_BY: dict[str, tuple[tuple[str, ...], str]] = {
    "ALTER TABLE tags ALTER name TYPE varchar(40); CREATE VIEW v AS SELECT name FROM tags": (
        ("view v",),
        "DROP VIEW v",
    ),
    "ALTER TABLE tags ALTER name TYPE varchar(40);"
    " CREATE MATERIALIZED VIEW m AS SELECT upper(name) FROM tags; CREATE VIEW v AS TABLE tags": (
        ("materialized view m", "view v"),
        "DROP VIEW v; DROP MATERIALIZED VIEW m",
    ),
    "CREATE TABLE notes (id int); CREATE TABLE other.child () INHERITS (notes)": (
        ("child table other.child",),
        "DROP TABLE other.child",
    ),
    "CREATE TABLE other.parent (shade text); ALTER TABLE tags ADD COLUMN shade text;"
    " ALTER TABLE tags INHERIT other.parent": (
        ("parent table other.parent",),
        "ALTER TABLE tags NO INHERIT other.parent",
    ),
    "ALTER TABLE tags DROP CONSTRAINT pk_tags CASCADE; ALTER TABLE tags ADD CONSTRAINT pk_tags PRIMARY KEY (id, name);"
    " CREATE TABLE other.of_tags (id uuid, name text, FOREIGN KEY (id, name) REFERENCES tags)": (
        ("foreign key of_tags_id_name_fkey of other.of_tags",),
        "DROP TABLE other.of_tags",
    ),
    "ALTER TABLE tags DROP CONSTRAINT pk_tags CASCADE; ALTER TABLE tags ADD CONSTRAINT pk_tags PRIMARY KEY (id, name);"
    " CREATE VIEW v AS SELECT id, name, color FROM tags GROUP BY id, name": (("view v",), "DROP VIEW v"),
    "CREATE TYPE mood AS ENUM ('good'); CREATE TABLE other.moods (mood mood)": (
        ("column other.moods.mood",),
        "DROP TABLE other.moods",
    ),
    "CREATE TYPE mood AS ENUM ('good'); CREATE FUNCTION f(mood) RETURNS int LANGUAGE sql AS 'SELECT 1'": (
        ("function f(mood)",),
        "DROP FUNCTION f",
    ),
    "DROP TABLE task_tags; CREATE VIEW task_tags AS SELECT 1": (("view task_tags",), "DROP VIEW task_tags"),
    "DROP INDEX ix_task_tags_tag_id; CREATE VIEW ix_task_tags_tag_id AS SELECT 1": (
        ("view ix_task_tags_tag_id",),
        "DROP VIEW ix_task_tags_tag_id",
    ),
    "CREATE TABLE notes (id int); CREATE TABLE other.of_notes (note notes)": (
        ("column other.of_notes.note",),
        "DROP TABLE other.of_notes",
    ),
    "DROP FUNCTION count_tasks() CASCADE; CREATE FUNCTION count_tasks() RETURNS int LANGUAGE sql AS 'SELECT 1';"
    " CREATE VIEW v AS SELECT count_tasks()": (("view v",), "DROP VIEW v"),
}


def zoo() -> MetaData:
    """Models with what the application's have none of: enums, sequences, generated columns, names that need quotes."""
    models = MetaData(naming_convention=metadata.naming_convention)
    sa.Table(
        "Cage %s :x",
        models,
        sa.Column("Id", sa.Integer, sa.Identity(start=10), primary_key=True),
        sa.Column('The "name"', sa.String(40), server_default="it's \\ 50%", nullable=False),
        sa.Column("order", sa.Numeric(10, 2)),
        sa.CheckConstraint('"The ""name""" LIKE \'a%\' OR "order" > 1', name="Odd%"),
        sa.UniqueConstraint('The "name"', "order", name="Both", postgresql_nulls_not_distinct=True),
    )
    animals = sa.Table(
        "animals",
        models,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("cage_id", sa.ForeignKey("Cage %s :x.Id", deferrable=True, initially="DEFERRED"), index=True),
        sa.Column("mood", sa.Enum("good", "fair", "bad", name="mood"), server_default="good", nullable=False),
        sa.Column("moods", ARRAY(sa.Enum("good", "fair", "bad", name="mood"))),
        sa.Column("kind", sa.String(10), sa.CheckConstraint("kind IN ('cat', 'dog')", name="kind")),
        sa.Column("legs", sa.Integer),
        sa.Column("feet", sa.Integer, sa.Computed("legs * 2", persisted=True), index=True),
        sa.Column("number", sa.BigInteger, sa.Sequence("numbers", start=5, metadata=models)),
        sa.Column("caged", INT4RANGE),
        ExcludeConstraint(("caged", "&&"), name="one_at_a_time", using="gist"),
    )
    sa.Table(
        "log",
        models,
        sa.Column("at", sa.DateTime(timezone=True), primary_key=True, comment="It's when."),
        sa.Column("animal_id", sa.ForeignKey("animals.id", ondelete="CASCADE"), index=True),
        sa.CheckConstraint("at > '2000-01-01 00:00+00'", name="late"),
        comment="What happens.",
        postgresql_partition_by="RANGE (at)",
    )
    for statement in CODE:
        event.listen(models, "after_create", sa.DDL(statement.replace("%", "%%")))
    sa.Table(
        "keepers", models, sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True), sa.Column("name", sa.Text)
    )
    sa.Index("ix_by_lower", sa.func.lower(animals.c.kind), animals.c.legs.desc(), postgresql_where=animals.c.legs > 2)
    sa.Index("ix_good", animals.c.id, unique=True, postgresql_where=animals.c.mood == "good")
    return models


CODE = (
    "CREATE VIEW few AS SELECT id, name FROM keepers WHERE id < 4",
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN /* 100 % :x */ RETURN NULL; END'",
    "CREATE TRIGGER noted AFTER INSERT ON log EXECUTE FUNCTION note()",
    "CREATE POLICY late ON log USING (at > '2001-01-01')",
    "ALTER TABLE log ENABLE ROW LEVEL SECURITY",
)
ROWS = '''
    INSERT INTO "Cage %s :x" ("The ""name""", "order") SELECT 'a' || n, n FROM generate_series(1, 3) AS n;
    INSERT INTO animals (cage_id, mood, moods, kind, legs, number)
    SELECT 9 + n, 'good', '{good}', 'cat', n, n FROM generate_series(1, 3) AS n;
    CREATE TABLE log_of_2026 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
'''
# As above, of a database that the models of `zoo` made, and that has rows.
TAMPERED_ZOO: dict[str, tuple[str, ...]] = {
    'ALTER TABLE "Cage %s :x" DROP CONSTRAINT "ck_Cage %s :x_Odd%"': (
        'check constraint "Cage %s :x"."ck_Cage %s :x_Odd%"',
    ),
    'ALTER TABLE "Cage %s :x" DROP CONSTRAINT "Both"': ('unique constraint "Cage %s :x"."Both"',),
    'ALTER TABLE "Cage %s :x" ALTER COLUMN "The ""name""" DROP DEFAULT': ('column "Cage %s :x"."The ""name"""',),
    'ALTER TABLE "Cage %s :x" ALTER COLUMN "The ""name""" DROP NOT NULL': ('column "Cage %s :x"."The ""name"""',),
    'ALTER TABLE "Cage %s :x" ALTER COLUMN "order" TYPE numeric(10, 3)': ('column "Cage %s :x"."order"',),
    'ALTER TABLE "Cage %s :x" ALTER COLUMN "Id" DROP IDENTITY': ('column "Cage %s :x"."Id"',),
    'ALTER TABLE "Cage %s :x" ALTER COLUMN "Id" SET GENERATED ALWAYS SET INCREMENT BY 5': ('column "Cage %s :x"."Id"',),
    'ALTER TABLE "Cage %s :x" ALTER COLUMN "Id" TYPE bigint': ('column "Cage %s :x"."Id"',),
    'DROP TABLE "Cage %s :x" CASCADE; UPDATE animals SET cage_id = NULL': (
        'table "Cage %s :x"',
        "foreign key animals.fk_animals_cage_id",
    ),
    'ALTER TABLE "Cage %s :x" RENAME TO cages; UPDATE animals SET cage_id = NULL': (
        'table "Cage %s :x"',
        "table cages",
        "foreign key animals.fk_animals_cage_id",
    ),
    "ALTER TABLE animals DROP CONSTRAINT fk_animals_cage_id,"
    ' ADD CONSTRAINT fk_animals_cage_id FOREIGN KEY (cage_id) REFERENCES "Cage %s :x" NOT VALID DEFERRABLE INITIALLY'
    " DEFERRED": ("foreign key animals.fk_animals_cage_id",),
    "ALTER TYPE mood ADD VALUE 'worse'": ("enum mood",),
    "ALTER TYPE mood RENAME VALUE 'bad' TO 'so-so'": ("enum mood",),
    "DROP INDEX ix_good; ALTER TABLE animals ALTER COLUMN mood TYPE text;"
    " CREATE UNIQUE INDEX ix_good ON animals (id) WHERE mood = 'good'": ("column animals.mood",),
    "ALTER TABLE animals ALTER COLUMN kind TYPE text": ("column animals.kind",),
    "ALTER TABLE animals ALTER COLUMN id DROP DEFAULT; DROP SEQUENCE animals_id_seq": (
        "column animals.id",
        "sequence animals_id_seq",
    ),
    "ALTER SEQUENCE animals_id_seq INCREMENT BY 3": ("sequence animals_id_seq",),
    "ALTER SEQUENCE animals_id_seq OWNED BY NONE": ("sequence animals_id_seq",),
    "ALTER TABLE animals ALTER COLUMN id DROP DEFAULT; DROP SEQUENCE animals_id_seq;"
    " ALTER TABLE animals ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY": (
        "column animals.id",
        "sequence animals_id_seq",
    ),
    "DROP SEQUENCE numbers": ("sequence numbers",),
    "ALTER TABLE animals RENAME COLUMN id TO ident": (
        "column animals.ident",
        "column animals.id",
        "primary key animals.pk_animals",
        "foreign key log.fk_log_animal_id",
        "index ix_good",
    ),
    "ALTER SEQUENCE animals_id_seq OWNED BY NONE; ALTER TABLE animals DROP COLUMN id CASCADE; TRUNCATE animals, log": (
        "column animals.id",
        "primary key animals.pk_animals",
        "foreign key log.fk_log_animal_id",
        "index ix_good",
    ),
    "CREATE TABLE beasts (id int); ALTER SEQUENCE animals_id_seq OWNED BY beasts.id": (
        "table beasts",
        "sequence animals_id_seq",
    ),
    "ALTER TABLE animals RENAME TO beasts": ("table animals", "table beasts", "foreign key log.fk_log_animal_id"),
    "ALTER TABLE animals DROP COLUMN feet; ALTER TABLE animals ALTER COLUMN legs TYPE bigint;"
    " ALTER TABLE animals ADD COLUMN feet integer GENERATED ALWAYS AS (legs * 2) STORED;"
    " CREATE INDEX ix_animals_feet ON animals (feet)": ("column animals.legs", "column animals.feet"),
    "ALTER TABLE animals ADD COLUMN more int;"
    " ALTER TABLE animals ADD COLUMN made int GENERATED ALWAYS AS (more) STORED": (
        "column animals.more",
        "column animals.made",
    ),
    "DROP VIEW few": ("view few",),
    "CREATE OR REPLACE VIEW few AS SELECT id, name FROM keepers": ("view few",),
    "DROP VIEW few; ALTER TABLE keepers ALTER name TYPE varchar(9);"
    " CREATE VIEW few AS SELECT id, name::text FROM keepers WHERE id < 4": ("column keepers.name", "view few"),
    "DROP VIEW few; ALTER TABLE keepers ALTER id TYPE int;"
    " CREATE VIEW few AS SELECT id, name FROM keepers WHERE id < 4": ("column keepers.id",),
    "ALTER VIEW few SET (security_barrier)": ("view few",),
    "ALTER TABLE log DISABLE ROW LEVEL SECURITY": ("table log",),
    "DROP POLICY late ON log": ("policy log.late",),
    "ALTER POLICY late ON log USING (at > '2002-01-01')": ("policy log.late",),
    "ALTER TABLE log DISABLE TRIGGER noted": ("trigger log.noted",),
    "COMMENT ON TABLE log IS 'Other.'; COMMENT ON COLUMN log.at IS NULL": ("table log", "column log.at"),
    "ALTER SEQUENCE numbers AS integer MAXVALUE 99 CYCLE": ("sequence numbers",),
    "ALTER TABLE animals ALTER COLUMN feet DROP EXPRESSION": ("column animals.feet",),
    "ALTER TABLE animals DROP COLUMN feet": ("column animals.feet", "index ix_animals_feet"),
    "ALTER TABLE animals DROP COLUMN feet;"
    " ALTER TABLE animals ADD COLUMN feet integer GENERATED ALWAYS AS (legs + 1) STORED;"
    " CREATE INDEX ix_animals_feet ON animals (feet)": ("column animals.feet",),
    "ALTER TABLE animals DROP COLUMN legs CASCADE; ALTER TABLE animals ADD COLUMN legs integer"
    " GENERATED ALWAYS AS (length(kind)) STORED": (
        "column animals.feet",
        "column animals.legs",
        "index ix_animals_feet",
        "index ix_by_lower",
    ),
    "ALTER TABLE animals DROP CONSTRAINT one_at_a_time": ("exclusion constraint animals.one_at_a_time",),
    "DROP INDEX ix_by_lower": ("index ix_by_lower",),
    "DROP INDEX ix_good; CREATE UNIQUE INDEX ix_good ON animals (id) WHERE mood = 'bad'": ("index ix_good",),
    "DROP TABLE animals CASCADE; DROP TYPE mood": ("table animals", "enum mood", "foreign key log.fk_log_animal_id"),
    "DROP TABLE log": ("table log",),
    "ALTER TABLE log DROP CONSTRAINT pk_log": ("primary key log.pk_log",),
    "ALTER TABLE log DROP CONSTRAINT ck_log_late": ("check constraint log.ck_log_late",),
    "ALTER TABLE log DROP CONSTRAINT fk_log_animal_id": ("foreign key log.fk_log_animal_id",),
    "DROP INDEX ix_log_animal_id; CREATE INDEX ix_log_animal_id ON log (animal_id, at)": ("index ix_log_animal_id",),
}


@contextmanager
def connection(url: str) -> Iterator[sa.Connection]:
    with unpooled(url).connect() as opened:
        yield opened


def compared(url: str, models: MetaData = metadata) -> list[Difference]:
    with connection(url) as opened:
        found = differences(opened, models)
        assert not opened.in_transaction()
        return found


def read(url: str) -> Schema:
    """Return the schema of the database as it is."""
    with connection(url) as opened:
        return read_schema(opened, "public", engine_tables())


def named(found: Iterable[Difference]) -> list[str]:
    return [f"{difference.kind} {difference.name}" for difference in found]


def check(
    url: str, tampered: Mapping[str, tuple[str, ...]], chosen: Iterable[str], psql: Path, models: MetaData = metadata
) -> None:
    """Tampers in the chosen ways; the differences are what is expected, and after their DDL there are none."""
    for tampering in chosen:
        query(url, tampering.replace(" :x", r" \:x"))
    found = compared(url, models)
    assert sorted(named(found)) == sorted(name for tampering in chosen for name in tampered[tampering]), found
    # As it is printed, it runs and leaves no more than what loses data; with that, nothing.
    mend(url, as_sql(tuple(script(found))), psql, loses_data=False)
    left = compared(url, models)
    assert all(difference.loses_data for difference in left), left
    if left:
        mend(url, as_sql(tuple(script(left))), psql)
        left = compared(url, models)
        assert left == [], left


def together(tampered: Mapping[str, tuple[str, ...]], models: MetaData) -> list[tuple[str, ...]]:
    """Return the ways in groups of such as have no table in common, which are tried in one database at once."""
    groups: list[tuple[list[str], set[str]]] = []
    for tampering, expected in tampered.items():
        words = " ".join((tampering, *expected))
        tables = {name for name in models.tables if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", words)}
        # What names none of them, such as a function, may be in the way of any.
        members, taken = next(
            (group for group in groups if tables and not tables & group[1] and group[1]), ([], set[str]())
        )
        if not members:
            groups.append((members, taken))
        members.append(tampering)
        taken |= tables
    return [tuple(members) for members, _ in groups]


def one_of_each_kind(tampered: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return as few ways as bring a difference of each kind."""
    seen: set[str] = set()
    chosen = {}
    for tampering, expected in tampered.items():
        kinds = {name.rpartition(" ")[0] if '"' not in name else name.split(' "')[0] for name in expected}
        if kinds - seen:
            chosen[tampering] = expected
            seen |= kinds
    return chosen


def mend(url: str, printed: Iterable[str], psql: Path, *, loses_data: bool = True) -> None:
    """Applies the printed DDL as an operator would who wants all of it, or what loses no data."""
    sql = "\n".join(line.removeprefix(LOSES_DATA) if loses_data else line for line in printed)
    command: list[str | Path] = [psql, "-qX", "-v", "ON_ERROR_STOP=1", "-d", normalize_database_url(url).libpq]
    done = subprocess.run(command, input=sql, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{sql}"


def make_zoo(url: str) -> None:
    with connection(url) as opened, opened.begin():
        zoo().create_all(opened)
        opened.exec_driver_sql(ROWS, execution_options={"no_parameters": True})
