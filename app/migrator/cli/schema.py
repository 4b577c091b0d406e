"""The command `schema`."""

import sys
from difflib import unified_diff
from pathlib import Path

import msgspec
import rich_click as click

from ..drift.schema_sql import read_schema_sql
from .options import as_json, current_config
from .rows import print_json


class SchemaText(msgspec.Struct, frozen=True):
    """The schema as SQL, and with `--check` how FILE differs from it, as a unified diff: empty where it does not."""

    sql: str
    file: str | None
    difference: str | None


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--check", is_flag=True, help="Write nothing: show how FILE differs, if it does.")
@as_json
def schema(file: Path | None, check: bool, as_json: bool) -> None:
    """Print the schema of the database as SQL, or write it to FILE; changes nothing in the database.

    It has what `drift` compares, sorted, and the same text on every version of PostgreSQL: under version control it
    shows what a revision changes. The columns of a table come in the order that FILE has, if it is there: their order
    is no difference, and a downgrade changes it. Monthly partitions, privileges and the tables of Alembic and of this
    program are left out.

    Exit codes: 0; 1 with --check, FILE has something else; 2 a wrong setting or option, or FILE cannot be read or
    written; 4 the database cannot be reached.
    """
    if check and file is None:
        raise click.UsageError("--check compares the schema with a file: name it.")
    try:
        kept = file.read_text(encoding="utf-8") if file is not None and (check or file.exists()) else ""
        found = read_schema_sql(current_config(), kept)
        if file is not None and not check:
            file.write_text(found, encoding="utf-8")
    except (OSError, UnicodeError) as exc:
        raise click.UsageError(f"{file}: {exc}") from exc
    lines = (kept.splitlines(keepends=True), found.splitlines(keepends=True))
    difference = "".join(unified_diff(*lines, str(file), "the database")) if check else None
    if as_json:
        print_json(SchemaText(sql=found, file=str(file) if file else None, difference=difference))
    elif file is None or difference:
        click.echo(difference or found, nl=False)
    sys.exit(bool(difference))
