"""What a generated revision requires of the rows over which it makes an index or a constraint."""

import pytest
from alembic import command
from sqlalchemy import Connection, text

from app.migrator import upgrade
from app.migrator.autogenerate.row_requirements import rows_are_distinct, rows_satisfy
from app.migrator.drift.catalogue import read_schema
from app.migrator.lint.linter import lint
from app.migrator.revisions.alembic_config import alembic_config
from app.migrator.revisions.requirements import Requirement, RequirementError, require
from app.postgres.errors import MigrationFailedError
from tests.support.database import query, unpooled
from tests.support.plain_project import PlainProject

MODELS = """
ships = sa.Table(
    "ships", metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text),
    sa.Column("crew", sa.BigInteger),
    sa.Column("fleet", sa.BigInteger{key}),
    {more}
)
sa.Table("fleets", metadata, sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False))
"""
MORE = """
    sa.UniqueConstraint("name", "crew", name="uq_ships_name"),
    sa.CheckConstraint("crew > 0", name="ck_ships_crew"),
    sa.Index("ix_ships_name", sa.text("lower(name)"), unique=True, postgresql_where=sa.text("fleet IS NULL")),
"""
KEY = ', sa.ForeignKey("fleets.id", name="fk_ships_fleet")'
# What is said of the rows, and what corrects them.
REFUSALS = {
    "rows of ships do not satisfy the check ck_ships_crew": "UPDATE ships SET crew = 1 WHERE crew = 0",
    "several rows of ships are equal in the unique index ix_ships_name": "UPDATE ships SET name = 'c' WHERE id = 2",
    "several rows of ships are equal in the constraint uq_ships_name": "DELETE FROM ships WHERE id = 4",
    "rows of ships refer to what the foreign key fk_ships_fleet does not find": "INSERT INTO fleets VALUES (7)",
}


def test_generated_revision_is_refused_before_anything_is_done_until_its_rows_are_corrected(
    project: PlainProject, empty_database_url: str
) -> None:
    url = empty_database_url
    project.define(MODELS.format(key="", more=""))
    project.generate()
    upgrade(project.config)
    query(url, "INSERT INTO ships VALUES (1, 'a', 0, NULL), (2, 'A', 2, NULL), (3, 'd', 3, 7), (4, 'd', 3, 7)")
    project.define(MODELS.format(key=KEY, more=MORE))
    command.revision(alembic_config(project.config), autogenerate=True)
    assert [found.rule for found in lint(project.config).findings] == []
    said = []
    for _ in REFUSALS:
        with pytest.raises(MigrationFailedError) as refused:
            upgrade(project.config)
        message = str(refused.value).partition("it is refused: ")[2]
        said.append(message.partition(".")[0])
        assert "The query of `requires` in the revision's file finds them" in message
        assert query(url, "SELECT FROM pg_index WHERE NOT indisvalid") == []
        query(url, REFUSALS[said[-1]])
    assert sorted(said) == sorted(REFUSALS)
    upgrade(project.config)
    project.check()


# What is made of the table `t`; rows that it takes, and one row more that it refuses.
MADE = {
    "a column": ("UNIQUE (a)", "(1, 1, 'x'), (2, 1, 'x'), (NULL, 1, 'x'), (NULL, 1, 'x')", "(1, 2, 'y')"),
    "columns in an order": ("INDEX i ON t (a DESC NULLS LAST, b)", "(1, 1, 'x'), (1, 2, 'x')", "(1, 2, 'y')"),
    "others included": ("INDEX i ON t (a) INCLUDE (b, s)", "(1, 1, 'x'), (2, 1, 'x')", "(1, 2, 'y')"),
    "one NULL": ("INDEX i ON t (a, b) NULLS NOT DISTINCT", "(1, NULL, 'x'), (NULL, 1, 'x')", "(1, NULL, 'y')"),
    "a condition": (
        "INDEX i ON t (a) WHERE b > 1 OR b IS NULL",
        "(1, 1, 'x'), (1, 1, 'x'), (1, 2, 'x'), (NULL, 2, 'x'), (NULL, 2, 'x')",
        "(1, 3, 'y')",
    ),
    "expressions": ("INDEX i ON t (lower(s), (a + b))", "(1, 2, 'x'), (1, 3, 'x')", "(2, 1, 'X')"),
    "a collation": ('INDEX i ON t (s COLLATE "C" text_pattern_ops DESC, b)', "(1, 1, 'x'), (1, 1, 'y')", "(2, 1, 'x')"),
    "a collation of a schema": ("INDEX i ON t (s COLLATE app.c)", "(1, 1, 'x'), (1, 1, 'y')", "(2, 2, 'x')"),
    "hostile names": ('INDEX i ON t ("WHERE (", "a b")', "(1, 1, 'x', 1, 1), (1, 1, 'x', 1, 2)", "(1, 1, 'x', 1, 2)"),
    "a check": ("CHECK (a > 0 AND s <> ')')", "(1, 1, 'x'), (NULL, 1, 'y')", "(0, 1, 'x')"),
    "a key of two": (
        "FOREIGN KEY (a, b) REFERENCES o (x, y)",
        "(1, 1, 'x'), (NULL, 9, 'x'), (7, NULL, 'x')",
        "(1, 2, 'x')",
    ),
    "a full key": (
        "FOREIGN KEY (b, a) REFERENCES public.o (y, x) MATCH FULL",
        "(1, 1, 'x'), (NULL, NULL, 'x')",
        "(1, NULL, 'x')",
    ),
    "itself": ("FOREIGN KEY (b) REFERENCES t (n)", "(1, 7, 'x', 1, 1, 7), (2, NULL, 'x', 1, 1, 8)", "(3, 4, 'x')"),
}


def read(connection: Connection) -> tuple[tuple[Requirement, ...], str]:
    """Return what the constraint or index of `t` requires, and the statement that drops it."""
    schema = read_schema(connection, "public")
    for (table, name), constraint in schema.constraints.items():
        if table == "t" and name != "t_key":
            return rows_satisfy(constraint), f"ALTER TABLE t DROP CONSTRAINT {name}"
    return rows_are_distinct(schema.indexes["i"]), "DROP INDEX i"


def is_met(connection: Connection, requirements: tuple[Requirement, ...]) -> bool:
    try:
        require(connection, requirements, "it")
    except RequirementError:
        return False
    return True


def test_rows_are_what_is_required_until_one_is_there_that_the_server_would_refuse(empty_database_url: str) -> None:
    query(
        empty_database_url,
        'CREATE TABLE t (a int, b int, s text, "WHERE (" int, "a b" int, n int CONSTRAINT t_key UNIQUE);'
        'CREATE SCHEMA app; CREATE COLLATION app.c FROM "C";'
        "CREATE TABLE o (x int, y int, UNIQUE (x, y), UNIQUE (y, x)); INSERT INTO o VALUES (1, 1)",
    )
    for case, (made, rows, refused) in MADE.items():
        with unpooled(empty_database_url).connect() as connection:
            connection.execute(
                text(f"CREATE UNIQUE {made}" if made.startswith("INDEX") else f"ALTER TABLE t ADD {made}")
            )
            connection.execute(text(f"INSERT INTO t VALUES {rows}"))
            requirements, drop = read(connection)
            assert len(requirements) == 1, case
            assert is_met(connection, requirements), case
            with pytest.raises(Exception, match=r"violates|duplicate"), connection.begin_nested():
                connection.execute(text(f"INSERT INTO t VALUES {refused}"))
            connection.execute(text(drop))
            connection.execute(text(f"INSERT INTO t VALUES {refused}"))
            assert not is_met(connection, requirements), case
