"""The command `schema`."""

import sys
from difflib import unified_diff
from pathlib import Path

import rich_click as click

from ..drift.schema_sql import read_schema_sql
from .options import current_config


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--check", is_flag=True, help="Write nothing: show how FILE differs, if it does.")
def schema(file: Path | None, check: bool) -> None:
    """Print the schema of the database as SQL, or write it to FILE; changes nothing in the database.

    It has what `drift` compares, sorted, and the same text on every version of PostgreSQL: under version control it
    shows what a revision changes. Monthly partitions, privileges and the tables of Alembic and of this program are left
    out.

    Exit codes: 0; 1 with --check, FILE has something else; 2 a wrong setting or option, or FILE cannot be read or
    written; 4 the database cannot be reached.
    """
    if check and file is None:
        raise click.UsageError("--check compares the schema with a file: name it.")
    found = read_schema_sql(current_config())
    if file is None:
        click.echo(found, nl=False)
        return
    try:
        if not check:
            file.write_text(found, encoding="utf-8")
            return
        kept = file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as exc:
        raise click.UsageError(f"{file}: {exc}") from exc
    if kept != found:
        lines = (kept.splitlines(keepends=True), found.splitlines(keepends=True))
        click.echo("".join(unified_diff(*lines, str(file), "the database")), nl=False)
        sys.exit(1)
