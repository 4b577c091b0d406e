"""What statements do to tables and columns, as read from their text."""

from dataclasses import replace

import pytest

from app.migrator.sql.effect import Effect, Kind
from app.migrator.sql.reader import read_sql
from app.migrator.sql.tokens import UnreadableSqlError, statements_of

K = Kind


def table(kind: Kind, name: str = "t", renamed_to: str | None = None) -> Effect:
    return Effect(kind, name, renamed_to=renamed_to)


def column(kind: Kind, name: str = "a", renamed_to: str | None = None) -> Effect:
    return Effect(kind, "t", name, renamed_to)


def named(kind: Kind, name: str, *columns: str, column: str | None = None) -> Effect:
    return Effect(kind, "t", column, name=name, columns=columns)


def perhaps(effect: Effect) -> Effect:
    return replace(effect, may_exist=True)


def index(kind: Kind, name: str = "i", renamed_to: str | None = None) -> Effect:
    return Effect(kind, "", name=name, renamed_to=renamed_to)


# A name has its schema, unless that is public.
TABLES = {
    # Its columns are those that are NOT NULL.
    "CREATE TABLE t (a int NOT NULL, b text)": [Effect(K.CREATE_TABLE, "t", columns=("a",))],
    "CREATE TABLE t (a serial, b int, c int, d int GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (b, c), CHECK (e > 0))": [
        Effect(K.CREATE_TABLE, "t", columns=("a", "d", "b", "c"))
    ],
    "CREATE TABLE t (a int) PARTITION BY LIST (a)": [table(K.CREATE_TABLE), table(K.PARTITION_TABLE)],
    "CREATE UNLOGGED TABLE IF NOT EXISTS s.t (a int)": [perhaps(table(K.CREATE_TABLE, "s.t"))],
    "CREATE TABLE public.t (a int)": [table(K.CREATE_TABLE)],
    # It hides the one that it is named as.
    "CREATE TEMP TABLE t (a int) ON COMMIT DROP": [perhaps(table(K.CREATE_TABLE))],
    'create table "S"."T" (a int)': [table(K.CREATE_TABLE, "S.T")],
    # A name that has a dot within is in double quotes.
    'CREATE TABLE "s.t" (a int)': [table(K.CREATE_TABLE, '"s.t"')],
    'ALTER TABLE "s.x".t RENAME TO "U.v"': [table(K.RENAME_TABLE, '"s.x".t', '"s.x"."U.v"')],
    'ALTER TABLE "S.t" SET SCHEMA x': [table(K.RENAME_TABLE, '"S.t"', 'x."S.t"')],
    'DROP TABLE U&"d\\0061t\\+000061", U&"d!0061" UESCAPE \'!\'': [
        table(K.DROP_TABLE, "data"),
        table(K.DROP_TABLE, "da"),
    ],
    # Letters that are not ASCII keep their case, and long names are cut off.
    "DROP TABLE STRASSE, STRAßE, ÄÖ, " + "a" * 70: [
        table(K.DROP_TABLE, n) for n in ("strasse", "straße", "ÄÖ", "a" * 63)
    ],
    "CREATE TABLE T AS SELECT 1 AS a": [table(K.CREATE_TABLE)],
    "CREATE TABLE t PARTITION OF u FOR VALUES FROM (1) TO (2)": [
        table(K.CREATE_TABLE),
        table(K.CREATE_PARTITION, "u"),
    ],
    "SELECT 1 AS a INTO UNLOGGED t FROM u": [table(K.CREATE_TABLE)],
    "DROP TABLE t": [table(K.DROP_TABLE)],
    'DROP TABLE IF EXISTS t, s.U, "V w" CASCADE': [table(K.DROP_TABLE, n) for n in ("t", "s.u", "V w")],
    "DROP FOREIGN TABLE t": [table(K.DROP_TABLE)],
    "TRUNCATE t, ONLY s.u RESTART IDENTITY CASCADE": [table(K.TRUNCATE), table(K.TRUNCATE, "s.u")],
    "TRUNCATE TABLE t": [table(K.TRUNCATE)],
    "ALTER TABLE t RENAME TO u": [table(K.RENAME_TABLE, renamed_to="u")],
    'ALTER TABLE IF EXISTS ONLY "S"."T" RENAME TO "U"': [table(K.RENAME_TABLE, "S.T", "S.U")],
    "ALTER TABLE s.t SET SCHEMA x": [table(K.RENAME_TABLE, "s.t", "x.t")],
    "ALTER TABLE s.t SET SCHEMA public": [table(K.RENAME_TABLE, "s.t", "t")],
    "LOCK t": [table(K.LOCK)],
    "LOCK TABLE ONLY t, s.u IN SHARE ROW EXCLUSIVE MODE NOWAIT": [table(K.LOCK), table(K.LOCK, "s.u")],
    "VACUUM FULL VERBOSE t, u": [table(K.REWRITE), table(K.REWRITE, "u")],
    "VACUUM (ANALYZE, FULL) t (a)": [table(K.REWRITE)],
    "VACUUM (FULL off, ANALYZE) t": [],
    "VACUUM FULL": [table(K.REWRITE, "every table")],
    "CLUSTER (VERBOSE) t USING i": [table(K.REWRITE)],
    "CLUSTER i ON s.t": [table(K.REWRITE, "s.t")],
    "CLUSTER": [table(K.REWRITE, "every table")],
    "REFRESH MATERIALIZED VIEW t WITH DATA": [table(K.REWRITE)],
    "ALTER TABLE t SET UNLOGGED, SET ACCESS METHOD heap": [table(K.REWRITE), table(K.REWRITE)],
    "ALTER TABLE t SET LOGGED": [table(K.REWRITE)],
    "ALTER TABLE t SET TABLESPACE x": [table(K.REWRITE)],
    "ALTER TABLE ALL IN TABLESPACE x SET TABLESPACE y": [table(K.REWRITE, "all")],
    "ALTER MATERIALIZED VIEW t SET ACCESS METHOD heap": [table(K.REWRITE)],
    "ALTER INDEX s.i SET TABLESPACE x": [table(K.REWRITE, "s.i")],
    "ALTER TABLE t ALTER a SET EXPRESSION AS (b + 1)": [Effect(K.REWRITE, "t", "a")],
    "ALTER TABLE t ATTACH PARTITION s.u FOR VALUES IN (1)": [table(K.ATTACH_PARTITION, "s.u")],
}
COLUMNS = {
    "ALTER TABLE t ADD COLUMN a int": [column(K.ADD_COLUMN)],
    "ALTER TABLE t ADD a numeric(10, 2)": [column(K.ADD_COLUMN)],
    "ALTER TABLE t ADD COLUMN IF NOT EXISTS a int DEFAULT 3": [
        perhaps(column(K.ADD_COLUMN)),
        column(K.SET_DEFAULT),
    ],
    "ALTER TABLE t ADD a int DEFAULT NULL": [column(K.ADD_COLUMN)],
    "ALTER TABLE t ADD a int NOT NULL": [column(K.ADD_COLUMN), column(K.SET_NOT_NULL)],
    "ALTER TABLE t ADD a int DEFAULT 1 NOT NULL": [
        column(K.ADD_COLUMN),
        column(K.SET_DEFAULT),
        column(K.SET_NOT_NULL),
    ],
    "ALTER TABLE t ADD a uuid PRIMARY KEY": [column(K.ADD_COLUMN), column(K.SET_NOT_NULL)],
    "ALTER TABLE t ADD a bigserial": [column(K.ADD_COLUMN), column(K.REWRITE), column(K.SET_DEFAULT)],
    "ALTER TABLE t ADD a serial8": [column(K.ADD_COLUMN), column(K.REWRITE), column(K.SET_DEFAULT)],
    "ALTER TABLE t ADD a int GENERATED ALWAYS AS IDENTITY": [
        column(K.ADD_COLUMN),
        column(K.REWRITE),
        column(K.SET_DEFAULT),
    ],
    "ALTER TABLE t ADD a int GENERATED ALWAYS AS (b) VIRTUAL": [column(K.ADD_COLUMN), column(K.SET_DEFAULT)],
    "ALTER TABLE t ADD a int GENERATED ALWAYS AS (b) STORED": [
        column(K.ADD_COLUMN),
        column(K.REWRITE),
        column(K.SET_DEFAULT),
    ],
    "ALTER TABLE t ADD a int CHECK (a IS NOT NULL)": [
        column(K.ADD_COLUMN),
        named(K.ADD_NOT_NULL_CHECK, "t_a_check", column="a"),
        named(K.VALIDATE, "t_a_check"),
    ],
    "ALTER TABLE t ADD a uuid REFERENCES u (id) ON DELETE SET DEFAULT": [
        column(K.ADD_COLUMN),
        named(K.ADD_CONSTRAINT, "", "a"),
    ],
    "ALTER TABLE t ADD a int UNIQUE CHECK (a > b)": [
        column(K.ADD_COLUMN),
        named(K.ADD_CONSTRAINT, "", "a"),
        named(K.ADD_CONSTRAINT, "", "a", "b"),
        named(K.VALIDATE, ""),
    ],
    "ALTER TABLE t ADD a int CONSTRAINT c CHECK (a > 0) NO INHERIT NOT ENFORCED, ADD b int": [
        column(K.ADD_COLUMN),
        named(K.ADD_CONSTRAINT, "c"),
        column(K.ADD_COLUMN, "b"),
    ],
    "ALTER TABLE t DROP COLUMN a": [column(K.DROP_COLUMN)],
    'ALTER TABLE t DROP A, DROP COLUMN IF EXISTS "B" CASCADE': [column(K.DROP_COLUMN), column(K.DROP_COLUMN, "B")],
    'ALTER TABLE "t" DROP COLUMN "a.b ""c"""': [column(K.DROP_COLUMN, 'a.b "c"')],
    "ALTER TABLE t RENAME a TO b": [column(K.RENAME_COLUMN, renamed_to="b")],
    'ALTER TABLE t RENAME COLUMN A TO "B"': [column(K.RENAME_COLUMN, renamed_to="B")],
    "ALTER TABLE t ALTER a TYPE bigint USING a::bigint": [column(K.CHANGE_TYPE)],
    "ALTER TABLE t ALTER COLUMN a SET DATA TYPE bigint": [column(K.CHANGE_TYPE)],
    "ALTER TABLE t ALTER COLUMN a SET NOT NULL": [column(K.SET_NOT_NULL)],
    "ALTER TABLE t ALTER a DROP NOT NULL": [column(K.DROP_NOT_NULL)],
    "ALTER TABLE t ALTER a SET DEFAULT f(1, 2)": [column(K.SET_DEFAULT)],
    "ALTER TABLE t ALTER a ADD GENERATED ALWAYS AS IDENTITY": [column(K.SET_DEFAULT)],
    "ALTER TABLE t ALTER a DROP DEFAULT": [column(K.DROP_DEFAULT)],
    "ALTER TABLE t ALTER a SET DEFAULT NULL": [column(K.DROP_DEFAULT)],
    "ALTER TABLE t ALTER a DROP IDENTITY IF EXISTS": [column(K.DROP_DEFAULT)],
    "ALTER TABLE t ALTER a DROP EXPRESSION": [column(K.DROP_DEFAULT)],
    "ALTER TABLE t ALTER a SET NOT NULL, DROP b, ADD c int, ALTER d TYPE text, VALIDATE CONSTRAINT e": [
        column(K.SET_NOT_NULL),
        column(K.DROP_COLUMN, "b"),
        column(K.ADD_COLUMN, "c"),
        column(K.CHANGE_TYPE, "d"),
        named(K.VALIDATE, "e"),
    ],
}
CONSTRAINTS = {
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID": [named(K.ADD_NOT_NULL_CHECK, "c", column="a")],
    "ALTER TABLE t ADD CONSTRAINT c CHECK ((a IS NOT NULL))": [
        named(K.ADD_NOT_NULL_CHECK, "c", column="a"),
        named(K.VALIDATE, "c"),
    ],
    'ALTER TABLE t ADD CONSTRAINT c NOT NULL "A" NOT VALID': [named(K.ADD_NOT_NULL_CHECK, "c", column="A")],
    # As PostgreSQL names them.
    "ALTER TABLE t ADD CHECK (a IS NOT NULL) NOT VALID": [named(K.ADD_NOT_NULL_CHECK, "t_a_check", column="a")],
    "ALTER TABLE t ADD NOT NULL a NOT VALID": [named(K.ADD_NOT_NULL_CHECK, "t_a_not_null", column="a")],
    "ALTER TABLE t ADD CHECK (a IS NOT NULL AND b IS NOT NULL) NOT VALID": [named(K.ADD_CONSTRAINT, "")],
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT ENFORCED": [named(K.ADD_CONSTRAINT, "c")],
    "ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u NOT ENFORCED NOT DEFERRABLE": [
        named(K.ADD_CONSTRAINT, "c")
    ],
    "ALTER TABLE s.t ADD CHECK (a IS NOT NULL)": [
        Effect(K.ADD_NOT_NULL_CHECK, "s.t", "a", name="t_a_check"),
        Effect(K.VALIDATE, "s.t", name="t_a_check"),
    ],
    """ALTER TABLE t ADD CHECK (a ~ '^[a-z]+$' AND length(a) <= 1.5e3 AND b > -1 OR c ILIKE 'x%') NOT VALID""": [
        named(K.ADD_CONSTRAINT, "", "a", "b", "c")
    ],
    'ALTER TABLE t ADD CHECK ("1.a" > 0) NOT VALID': [named(K.ADD_CONSTRAINT, "", "1.a")],
    "ALTER TABLE t ADD CHECK (s.length(a) > 0) NOT VALID": [named(K.ADD_CONSTRAINT, "")],
    "ALTER TABLE t ADD CHECK (a IN (1, 2))": [named(K.ADD_CONSTRAINT, "", "a"), named(K.VALIDATE, "")],
    """ALTER TABLE t ADD CHECK (a > 0 OR NOT "B" = 'x') NOT VALID""": [named(K.ADD_CONSTRAINT, "", "a", "B")],
    "ALTER TABLE t ADD CHECK (a > 0 AND false) NOT VALID": [named(K.ADD_CONSTRAINT, "")],
    "ALTER TABLE t ADD CHECK (f(a) > 0) NOT VALID": [named(K.ADD_CONSTRAINT, "")],
    "ALTER TABLE t ADD CHECK (a::text = 'x') NOT VALID": [named(K.ADD_CONSTRAINT, "")],
    "ALTER TABLE t ADD CONSTRAINT c UNIQUE (a, B)": [named(K.ADD_CONSTRAINT, "c", "a", "b"), named(K.VALIDATE, "c")],
    "ALTER TABLE t ADD CONSTRAINT c UNIQUE NULLS NOT DISTINCT (a)": [
        named(K.ADD_CONSTRAINT, "c"),
        named(K.VALIDATE, "c"),
    ],
    "ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i": [],
    "ALTER TABLE s.t ADD PRIMARY KEY USING INDEX i": [Effect(K.USE_INDEX, "s.t", name="s.i")],
    "ALTER TABLE t ADD PRIMARY KEY (a)": [named(K.ADD_CONSTRAINT, "", "a"), named(K.VALIDATE, "")],
    "ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY(a, b) REFERENCES u (x, y) ON DELETE SET NULL NOT VALID": [
        named(K.ADD_CONSTRAINT, "c", "a", "b")
    ],
    "ALTER TABLE t ADD CONSTRAINT c EXCLUDE USING gist (a WITH &&)": [
        named(K.ADD_CONSTRAINT, "c"),
        named(K.VALIDATE, "c"),
    ],
    "ALTER TABLE t VALIDATE CONSTRAINT c": [named(K.VALIDATE, "c")],
    "ALTER TABLE t DROP CONSTRAINT IF EXISTS c CASCADE": [named(K.DROP_CONSTRAINT, "c")],
    "ALTER TABLE t RENAME CONSTRAINT c TO d": [Effect(K.RENAME_CONSTRAINT, "t", name="c", renamed_to="d")],
    "ALTER TABLE t ALTER CONSTRAINT c DEFERRABLE": [named(K.ALTER_CONSTRAINT, "c")],
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY s.t USING btree (a, b DESC) WHERE c": [
        Effect(K.ADD_UNIQUE_INDEX, "s.t", name="s.i", columns=("a", "b"))
    ],
    "CREATE UNIQUE INDEX i ON t (a) NULLS NOT DISTINCT": [named(K.ADD_UNIQUE_INDEX, "i")],
    "CREATE UNIQUE INDEX ON t ((a + b), c)": [named(K.ADD_UNIQUE_INDEX, "")],
    "CREATE UNIQUE INDEX ON t (lower(a))": [named(K.ADD_UNIQUE_INDEX, "")],
    "CREATE INDEX CONCURRENTLY i ON t (a)": [named(K.ADD_INDEX, "i", "a")],
    "DROP INDEX i, s.J": [index(K.DROP_INDEX), index(K.DROP_INDEX, "s.j")],
    "DROP INDEX CONCURRENTLY IF EXISTS i": [index(K.DROP_INDEX)],
    "ALTER INDEX IF EXISTS i RENAME TO j": [index(K.RENAME_INDEX, renamed_to="j")],
    "ALTER INDEX s.i RENAME TO j": [index(K.RENAME_INDEX, "s.i", "s.j")],
    "ALTER INDEX i SET (fillfactor = 70)": [],
}
OTHERS = {
    "CREATE VIEW v AS SELECT 1": [table(K.CREATE_OTHER, "v")],
    "CREATE OR REPLACE VIEW v AS SELECT 1": [],
    "CREATE VIEW view AS SELECT 1": [table(K.CREATE_OTHER, "view")],
    "CREATE SCHEMA AUTHORIZATION a": [table(K.CREATE_OTHER, "a")],
    "DROP CAST (a AS b)": [table(K.DROP_OTHER, "a as b")],
    "CREATE TYPE s.e AS ENUM ('a', 'b')": [table(K.CREATE_OTHER, "s.e")],
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ DROP TABLE t; $$": [table(K.CREATE_OTHER, "f")],
    "DROP MATERIALIZED VIEW IF EXISTS v": [table(K.DROP_OTHER, "v")],
    "DROP FUNCTION f(int, text), g": [table(K.DROP_OTHER, "f"), table(K.DROP_OTHER, "g")],
    "CREATE CONSTRAINT TRIGGER r AFTER UPDATE OF a OR DELETE ON s.t EXECUTE FUNCTION f()": [
        Effect(K.CREATE_TRIGGER, "s.t", name="r")
    ],
    "CREATE OR REPLACE TRIGGER r BEFORE INSERT ON t EXECUTE FUNCTION f()": [named(K.CREATE_TRIGGER, "r")],
    "DROP TRIGGER r ON t": [table(K.DROP_OTHER, "r")],
    "DROP EXTENSION IF EXISTS x": [table(K.DROP_OTHER, "x")],
    "ALTER TYPE e RENAME VALUE 'x' TO 'y'": [table(K.RENAME_OTHER, "e", "y")],
    "ALTER SEQUENCE q RENAME TO r": [table(K.RENAME_OTHER, "q", "r")],
    "ALTER MATERIALIZED VIEW s.v SET SCHEMA x": [table(K.RENAME_OTHER, "s.v", "x")],
    "ALTER TRIGGER a ON t RENAME TO b": [table(K.RENAME_OTHER, "a", "b")],
    "ALTER OPERATOR CLASS s.c USING hash SET SCHEMA x": [table(K.RENAME_OTHER, "s.c", "x")],
    "ALTER FUNCTION f(int) RENAME TO g": [table(K.RENAME_OTHER, "f", "g")],
    "ALTER TYPE e ADD VALUE 'x'": [],
    "ALTER TYPE t ADD ATTRIBUTE b int, DROP ATTRIBUTE IF EXISTS a CASCADE": [column(K.DROP_COLUMN)],
    "ALTER TYPE t ALTER ATTRIBUTE a TYPE int": [column(K.CHANGE_TYPE)],
    "ALTER TYPE t RENAME ATTRIBUTE a TO b": [table(K.RENAME_OTHER, renamed_to="b")],
    "ALTER DOMAIN s.t SET NOT NULL": [table(K.SET_NOT_NULL, "s.t")],
    "ALTER DOMAIN t DROP DEFAULT": [table(K.DROP_DEFAULT)],
    "ALTER DOMAIN t ADD CONSTRAINT c CHECK (VALUE > 0) NOT VALID": [table(K.ADD_CONSTRAINT)],
    "ALTER DOMAIN t RENAME TO u": [table(K.RENAME_OTHER, renamed_to="u")],
    "CREATE SEQUENCE IF NOT EXISTS q": [perhaps(table(K.CREATE_OTHER, "q"))],
}
ROWS = {
    "DELETE FROM ONLY s.t USING u WHERE t.a = u.a": [table(K.DELETE, "s.t")],
    "UPDATE t SET a = 1": [table(K.UPDATE)],
    "WITH x AS (SELECT 1) UPDATE ONLY t SET a = 1": [table(K.UPDATE)],
    "WITH x AS (DELETE FROM t RETURNING *) INSERT INTO u SELECT * FROM x": [table(K.DELETE)],
    "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET b = 1": [table(K.UPDATE)],
    "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE": [table(K.DELETE)],
    "MERGE INTO t USING u ON t.a = u.a WHEN NOT MATCHED THEN INSERT VALUES (1)": [],
    "EXPLAIN (ANALYZE) DELETE FROM t": [table(K.DELETE)],
    "COPY (DELETE FROM t RETURNING *) TO STDOUT": [table(K.DELETE)],
    "COPY t FROM STDIN": [],
    "INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1": [table(K.UPDATE)],
    "INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING": [],
    "INSERT INTO t WITH x AS (INSERT INTO u VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1 RETURNING *) SELECT * FROM x"
    " ON CONFLICT (a) DO UPDATE SET b = 1": [table(K.UPDATE, "u"), table(K.UPDATE)],
    "INSERT INTO t SELECT * FROM u FOR UPDATE": [],
    "SELECT * FROM t FOR NO KEY UPDATE": [],
}
OPAQUE = {
    "DO $$ BEGIN DROP TABLE t; END $$": [table(K.OPAQUE, "DO")],
    "DO LANGUAGE plpgsql 'BEGIN END'": [table(K.OPAQUE, "DO")],
    "CALL f()": [table(K.OPAQUE, "CALL")],
    "SELECT s.Purge(1)": [table(K.OPAQUE, "s.purge")],
    "SELECT s.now()": [table(K.OPAQUE, "s.now")],
    # Afterwards the names mean other tables.
    "SET LOCAL search_path = s": [table(K.OPAQUE, "SET search_path")],
    "SET SCHEMA 's'": [table(K.OPAQUE, "SET search_path")],
    "SELECT set_config('search_path', '', false)": [table(K.OPAQUE, "SET search_path")],
    "SELECT now(), 1 + purge(1)": [table(K.OPAQUE, "purge")],
    "SELECT count(purge(1))": [table(K.OPAQUE, "purge")],
    "SELECT 1 WHERE 2 BETWEEN 1 AND purge(1)": [table(K.OPAQUE, "purge")],
    "INSERT INTO t (a) SELECT purge(1)": [table(K.OPAQUE, "purge")],
    "INSERT INTO t (a) VALUES (purge(1))": [table(K.OPAQUE, "purge")],
    "UPDATE t SET a = purge(1)": [table(K.OPAQUE, "purge"), table(K.UPDATE)],
    "CREATE MATERIALIZED VIEW v AS SELECT purge(1)": [table(K.CREATE_OTHER, "v"), table(K.OPAQUE, "purge")],
    "SELECT set_config('search_path', other, false)": [table(K.OPAQUE, "SET search_path")],
    "WITH a (x) AS (SELECT 1), b (y) AS (SELECT 2) SELECT purge(1) FROM b": [table(K.OPAQUE, "purge")],
    "EXPLAIN (ANALYZE) SELECT purge(1)": [table(K.OPAQUE, "purge")],
    "CREATE TABLE t AS SELECT purge(1)": [table(K.CREATE_TABLE), table(K.OPAQUE, "purge")],
    "CREATE RULE r AS ON INSERT TO t DO INSTEAD (DELETE FROM t; DELETE FROM u)": [table(K.OPAQUE, "RULE")],
    "PREPARE p (int, int) AS SELECT * FROM t WHERE a IN ($1,$2)": [table(K.OPAQUE, "PREPARE")],
    "SELECT * FROM purge(1) AS p": [table(K.OPAQUE, "purge")],
    "CREATE OR REPLACE RULE r AS ON INSERT TO t DO INSTEAD NOTHING": [table(K.OPAQUE, "RULE")],
    "EXECUTE p": [table(K.OPAQUE, "EXECUTE")],
    "nonsense": [table(K.OPAQUE, "NONSENSE")],
    "SELECT 'no end": [table(K.OPAQUE, "SQL")],
}
NONE = [
    "",
    ";;",
    "-- DROP TABLE t",
    "/* DROP TABLE t; /* nested; */ DROP TABLE u; */",
    "SELECT 'DROP TABLE t; -- ' AS \"DROP TABLE u\"",
    "SELECT E'it\\'s; DROP TABLE t', U&'a;b', $x$; DROP TABLE t; $y$ $x$",
    "COMMENT ON TABLE t IS 'DROP TABLE t; ALTER TABLE t DROP a'",
    "SET lock_timeout = '1s'; COMMIT; BEGIN",
    "LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE",
    "LOCK TABLE t IN ROW EXCLUSIVE MODE",
    "VACUUM (ANALYZE) t",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY t",
    "SELECT pg_catalog.setval('s', (SELECT max(a) FROM (SELECT 1 AS a) AS u))",
    "SELECT a FROM (VALUES (1)) AS v (a) WHERE a IN (SELECT count(*) FROM t)",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY, SET (fillfactor = 70), OWNER TO x",
    "ALTER TABLE t ALTER COLUMN a SET STATISTICS 100",
    "INSERT INTO t (a, b) SELECT lower(c), coalesce(d, gen_random_uuid()) FROM u AS v (c, d)",
    "SELECT set_config('search_path', current_schema() || ',s', true)",
]


@pytest.mark.parametrize(
    ("statement", "effects"),
    [
        *TABLES.items(),
        *COLUMNS.items(),
        *CONSTRAINTS.items(),
        *OTHERS.items(),
        *ROWS.items(),
        *OPAQUE.items(),
        *((sql, []) for sql in NONE),
    ],
)
def test_statement_has_these_effects(statement: str, effects: list[Effect]) -> None:
    assert list(read_sql(statement)) == effects
    assert list(read_sql(f"-- A comment; before\n{statement}")) == effects


def test_statements_come_apart_at_their_semicolons_alone() -> None:
    sql = """
    -- The first; is this:
    ALTER TABLE t
      DROP a;
    DO $$ BEGIN x; END $$; CREATE FUNCTION f() RETURNS int
      BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT ';'; END;

    SELECT 2 -- the last"""
    statements = list(statements_of(sql))
    assert [(s.line, s.head) for s in statements] == [(3, "ALTER"), (5, "DO"), (5, "CREATE"), (8, "SELECT")]
    assert statements[0].text == "ALTER TABLE t\n      DROP a"
    assert statements[2].text.endswith("SELECT ';'; END")
    assert statements[3].text == "SELECT 2"


def test_keyword_in_a_string_or_a_name_is_none() -> None:
    (statement,) = statements_of("SELECT 'CONCURRENTLY', \"CONCURRENTLY\", $$CONCURRENTLY$$ -- CONCURRENTLY")
    assert not statement.has("CONCURRENTLY")
    (statement,) = statements_of("REINDEX INDEX concurrently i")
    assert statement.has("CONCURRENTLY")


@pytest.mark.parametrize(
    "sql",
    [
        'DROP TABLE "t',
        "SELECT 'it''s",
        "SELECT E'it\\'",
        "SELECT $a$ $b$",
        "SELECT 1 /* a /* b */",
        'SELECT U&"\\+FFFFFF"',
        'SELECT U&"\\D83D"',
        "SELECT {1}",
    ],
)
def test_what_does_not_end_or_is_no_character_is_said(sql: str) -> None:
    with pytest.raises(UnreadableSqlError):
        list(statements_of(sql))
    assert list(read_sql(sql)) == [table(K.OPAQUE, "SQL")]


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (table(K.DROP_TABLE), "drop table t"),
        (column(K.RENAME_COLUMN, renamed_to="b"), "rename column t.a to b"),
        (named(K.DROP_CONSTRAINT, "c"), "drop constraint c on t"),
        (index(K.RENAME_INDEX, renamed_to="j"), "rename index i to j"),
    ],
)
def test_effect_is_told_in_words(effect: Effect, words: str) -> None:
    assert str(effect) == words
