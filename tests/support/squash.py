"""Revisions that make one of each kind of object, in small steps, and ways in which a baseline may replace them."""

from pathlib import Path

from tests.support.plain_project import PlainProject

# Each is a revision of its own; together they make what a dump may have. No name has a schema, but where it must.
STATEMENTS = (
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    "ALTER TYPE mood ADD VALUE 'it''s' AFTER 'sad'",
    "CREATE DOMAIN percent AS integer CHECK (VALUE BETWEEN 0 AND 100)",
    "CREATE TYPE pair AS (a integer, b text)",
    "CREATE SEQUENCE numbers START 100 INCREMENT 5",
    """CREATE TABLE "Order" (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        old_serial serial,
        number bigint DEFAULT nextval('numbers') NOT NULL,
        "select" text COLLATE "C" DEFAULT 'at \\:noon, 100%, back\\\\slash, "quoted"',
        mood mood DEFAULT 'ok',
        share percent,
        pairs pair[],
        status varchar(20) DEFAULT 'new' CHECK (status IN ('new', 'sent')),
        twice bigint GENERATED ALWAYS AS (number * 2) STORED,
        gone integer,
        during int4range,
        EXCLUDE USING gist (during WITH &&)
    )""",
    'ALTER TABLE "Order" DROP COLUMN gone',
    'ALTER TABLE "Order" ADD CONSTRAINT "later%" CHECK (share > 1) NOT VALID',
    """CREATE TABLE items (
        id uuid PRIMARY KEY, order_id bigint NOT NULL REFERENCES "Order" ON DELETE CASCADE DEFERRABLE
    )""",
    "ALTER TABLE items RENAME TO lines",
    """CREATE INDEX lines_by_order ON lines (order_id DESC NULLS LAST) INCLUDE (id) WHERE order_id > 10""",
    """CREATE UNIQUE INDEX ON "Order" (lower("select"), (number % 3))""",
    "CREATE STATISTICS together (dependencies) ON id, order_id FROM lines",
    """CREATE VIEW sent AS SELECT id, status FROM "Order" WHERE status IN ('sent')""",
    "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM lines",
    "CREATE UNIQUE INDEX counted_n ON counted (n)",
    """CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $body$
BEGIN
    -- "A comment" with a $ and \\:colons; 'quotes'.
    NEW."select" := coalesce(NEW."select", '');
    RETURN NEW;
END
$body$""",
    "CREATE FUNCTION doubled(x integer, y numeric DEFAULT 1.5) RETURNS numeric LANGUAGE sql IMMUTABLE"
    " BEGIN ATOMIC SELECT x * y; END",
    "CREATE PROCEDURE tidy() LANGUAGE sql AS 'DELETE FROM lines'",
    """CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON "Order" FOR EACH ROW EXECUTE FUNCTION stamp()""",
    """CREATE RULE quiet AS ON DELETE TO sent DO INSTEAD NOTHING""",
    'ALTER TABLE "Order" ENABLE ROW LEVEL SECURITY',
    """CREATE POLICY own ON "Order" FOR SELECT TO PUBLIC USING (number > 0)""",
    "CREATE TABLE events (id bigint, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
    "CREATE INDEX events_at ON events (at)",
    "CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2021-01-01 00:00+00')",
    "CREATE TABLE events_rest PARTITION OF events DEFAULT",
    """COMMENT ON COLUMN "Order".number IS 'It''s 100% \\:sure'""",
    "GRANT SELECT ON lines TO pg_monitor",
    "REVOKE ALL ON FUNCTION doubled FROM PUBLIC",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON SEQUENCES TO pg_monitor",
    "GRANT USAGE ON SCHEMA public TO pg_monitor",
    "CREATE SCHEMA audit",
    "CREATE TABLE audit.log (id integer, what text)",
    "ALTER TABLE lines SET (fillfactor = 70)",
    "ALTER TABLE lines REPLICA IDENTITY FULL",
    "CREATE EXTENSION pg_trgm",
    """CREATE INDEX by_words ON "Order" USING gin ("select" gin_trgm_ops)""",
)
LAST = f"r{len(STATEMENTS) - 1}"


def add_one_of_each_kind(project: PlainProject) -> None:
    """Write the revisions r0, r1 …, one for each statement."""
    for number, statement in enumerate(STATEMENTS):
        project.add(f"r{number}", f"op.execute({statement!r})")


def add_tables(project: PlainProject, count: int = 4) -> None:
    """Write the revisions r0, r1 …, of which each makes a table t0, t1 … and can be reverted."""
    for number in range(count):
        project.add(
            f"r{number}", f'op.create_table("t{number}", sa.Column("id", sa.Integer))', f'op.drop_table("t{number}")'
        )


def baselines(project: PlainProject) -> list[Path]:
    return sorted((project.root / "migrations").glob("baselines/*.py"))
