"""Ways for a database to drift from its models, and looking at what a comparison makes of them."""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import MetaData, create_engine, make_url
from sqlalchemy.dialects.postgresql import ARRAY, INT4RANGE, ExcludeConstraint
from sqlalchemy.pool import NullPool

from app.db.migrations.drift.difference import Difference, script
from app.db.migrations.drift.reading import differences
from app.db.migrations.drift.report import LOSES_DATA, as_sql
from app.db.url import normalize_database_url
from app.models import metadata
from tests.migrations.conftest import query
from tests.waiting import PATIENCE

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
        sa.Column("at", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("animal_id", sa.ForeignKey("animals.id", ondelete="CASCADE"), index=True),
        sa.CheckConstraint("at > '2000-01-01 00:00+00'", name="late"),
        postgresql_partition_by="RANGE (at)",
    )
    sa.Index("ix_by_lower", sa.func.lower(animals.c.kind), animals.c.legs.desc(), postgresql_where=animals.c.legs > 2)
    sa.Index("ix_good", animals.c.id, unique=True, postgresql_where=animals.c.mood == "good")
    return models


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
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.connect() as opened:
        yield opened


def compared(url: str, models: MetaData = metadata) -> list[Difference]:
    with connection(url) as opened:
        found = differences(opened, models)
        assert not opened.in_transaction()
        return found


def named(found: Iterable[Difference]) -> list[str]:
    return [f"{difference.kind} {difference.name}" for difference in found]


def check(url: str, tampering: str, expected: Iterable[str], psql: Path, models: MetaData = metadata) -> None:
    """Tampers; the differences are what is expected, and after their DDL there are none."""
    query(url, tampering.replace(" :x", r" \:x"))
    found = compared(url, models)
    assert sorted(named(found)) == sorted(expected), found
    mend(url, as_sql(tuple(script(found))), psql)
    left = compared(url, models)
    assert left == [], left


def mend(url: str, printed: Iterable[str], psql: Path) -> None:
    """Applies the printed DDL as an operator would who wants all of it."""
    sql = "\n".join(line.removeprefix(LOSES_DATA) for line in printed)
    command = [psql, "-qX", "-v", "ON_ERROR_STOP=1", "-d", normalize_database_url(url).libpq]
    done = subprocess.run(command, input=sql, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{sql}"


def make_zoo(url: str) -> None:
    with connection(url) as opened, opened.begin():
        zoo().create_all(opened)
        opened.exec_driver_sql(ROWS, execution_options={"no_parameters": True})
