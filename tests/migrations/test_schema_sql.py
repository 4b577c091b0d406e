"""The schema as SQL: migrations/schema.sql, and the command that writes it."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from app.migrator import downgrade, upgrade
from app.migrator.cli.main import main
from app.migrator.drift.schema_sql import schema_sql
from tests.conftest import settings_for
from tests.support.database import query
from tests.support.drift import TAMPERED, compared, connection, make_zoo, mend, one_of_each_kind
from tests.support.migrator import read_schema_sql
from tests.support.plain_project import PlainProject
from tests.support.processes import ROOT

FILE = ROOT / "migrations" / "schema.sql"
REWRITE = "litestar database upgrade --no-prompt && litestar database schema migrations/schema.sql"


def test_schema_sql_is_what_the_revisions_make(database_url: str) -> None:
    assert FILE.read_text() == read_schema_sql(settings_for(database_url)), f"the revisions have changed it: {REWRITE}"


def test_schema_sql_makes_the_schema_of_the_models(empty_database_url: str, postgres_bin: Path) -> None:
    mend(empty_database_url, [FILE.read_text()], postgres_bin / "psql")
    assert compared(empty_database_url) == []
    assert read_schema_sql(settings_for(empty_database_url)) == FILE.read_text()


# What no model can say.
ONLY_LIVE = (
    # The server's words for it change when it parses them again.
    "ALTER TABLE animals DROP CONSTRAINT ck_animals_kind",
    "ALTER TABLE animals ADD CONSTRAINT some_legs CHECK (legs < 9) NOT VALID",
    "ALTER TABLE animals ADD CONSTRAINT its_keeper FOREIGN KEY (id) REFERENCES keepers NOT VALID",
    "ALTER TABLE keepers ADD CONSTRAINT has_a_name NOT NULL name NOT VALID",
    "ALTER TABLE log DISABLE TRIGGER noted",
    "CREATE EXTENSION pg_trgm",
    "CREATE SEQUENCE free START 7",
)


def test_printed_schema_makes_one_that_is_printed_alike(
    empty_database_url: str, database_url: str, postgres_bin: Path
) -> None:
    make_zoo(empty_database_url)
    for statement in ONLY_LIVE:
        query(empty_database_url, statement)
    printed = read_schema_sql(settings_for(empty_database_url))
    assert printed.count(" NOT VALID;") == 3
    query(database_url, "DROP SCHEMA public CASCADE")
    query(database_url, "CREATE SCHEMA public")
    mend(database_url, [printed], postgres_bin / "psql")
    assert read_schema_sql(settings_for(database_url)) == printed


def test_change_of_any_kind_changes_the_text(database_url: str) -> None:
    with connection(database_url) as opened:
        for statement in one_of_each_kind(TAMPERED):
            opened.exec_driver_sql(statement, execution_options={"no_parameters": True})
            assert schema_sql(opened) != FILE.read_text(), statement
            opened.rollback()
        assert schema_sql(opened) == FILE.read_text()


def call(project: PlainProject, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(project.ini), "schema", *arguments])


def test_command_prints_writes_and_compares(project: PlainProject, tmp_path: Path) -> None:
    project.add("first", 'op.execute("CREATE TABLE t (id integer)")')
    upgrade(project.config)
    file = tmp_path / "schema.sql"
    printed = call(project)
    assert (printed.exit_code, printed.stdout.splitlines()[-3:]) == (0, ["CREATE TABLE t (", "    id integer", ");"])
    assert (call(project, str(file)).stdout, file.read_text()) == ("", printed.stdout)
    assert (call(project, str(file), "--check").exit_code, call(project, str(file), "--check").stdout) == (0, "")
    project.add("second", 'op.execute("ALTER TABLE t ADD COLUMN name text")')
    upgrade(project.config)
    differs = call(project, str(file), "--check")
    assert differs.exit_code == 1
    assert differs.stdout.splitlines()[-4:] == ["-    id integer", "+    id integer,", "+    name text", " );"]
    assert file.read_text() == printed.stdout


def test_order_of_columns_is_no_difference(project: PlainProject, tmp_path: Path) -> None:
    """A downgrade has brought one back, as the last one; comments come in the order of columns, too."""
    columns = "b text, id serial, a text"
    comments = "op.execute(\"COMMENT ON COLUMN t.a IS 'x'\")\nop.execute(\"COMMENT ON COLUMN t.b IS 'y'\")"
    project.add("first", f'op.execute("CREATE TABLE t ({columns})")\n{comments}')
    back = 'op.execute("ALTER TABLE t ADD b text")\nop.execute("COMMENT ON COLUMN t.b IS \'y\'")'
    project.add("second", 'op.execute("ALTER TABLE t DROP b")', back)
    upgrade(project.config, "first")
    file = tmp_path / "schema.sql"
    call(project, str(file))
    kept = file.read_text()
    upgrade(project.config)
    assert "-    b text" in call(project, str(file), "--check").stdout
    downgrade(project.config, "first", accept_data_loss=True)
    assert call(project).stdout != kept
    same = call(project, str(file), "--check", "--json")
    assert (same.exit_code, json.loads(same.stdout)["difference"]) == (0, "")
    assert (call(project, str(file)).exit_code, file.read_text()) == (0, kept)


def test_command_refuses_a_file_that_it_cannot_use(project: PlainProject, tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"\xe4")
    for arguments in (["--check"], [str(tmp_path / "none"), "--check"], [str(tmp_path / "latin"), "--check"]):
        refused = call(project, *arguments)
        assert (refused.exit_code, refused.stdout) == (2, ""), arguments
    assert call(project, str(tmp_path / "no" / "folder")).exit_code == 2
