"""The command `squash`."""

import msgspec
import rich_click as click

from ..squash import deletion as library_of_deletion
from ..squash import squash as library
from .options import as_json, current_config
from .rows import print_json


class WrittenBaseline(msgspec.Struct, frozen=True):
    """The path of a baseline, its revision and all that it replaces, and the tables whose rows it has."""

    file: str
    revision: str
    replaced: tuple[str, ...]
    tables_with_rows: tuple[str, ...]


@click.command()
@click.argument("revision")
@click.option("--with-rows", is_flag=True, help="Put rows that the revisions insert into the file, as they are now.")
@click.option("--scratch", metavar="URL", help="An empty database to try it in, instead of one made for the moment.")
@click.option("--delete-replaced", is_flag=True, help="Delete the revisions that a baseline replaces, releases later.")
@as_json
def squash(revision: str, with_rows: bool, scratch: str | None, delete_replaced: bool, as_json: bool) -> None:
    """Write a baseline: one revision that makes in an empty database what all revisions up to REVISION make.

    It prints the file's name. An upgrade of an empty database takes the baseline in their place; every other database
    goes on by the revisions, which stay as they are. Both are run in a scratch database, which is dropped or emptied
    afterwards, and the file is written only if their dumps are alike.

    With --delete-replaced it connects to nothing: it deletes the replaced revisions, and moves the baseline of REVISION
    to the others. A database that is at a deleted revision can then only be upgraded by a release that has them.

    Exit codes: 0 the file is written; 1 refused, for instance because the dumps differ or revisions insert rows; 2 a
    wrong setting or option; 3 a revision failed or is not known; 4 the database cannot be reached; 5 pg_dump is too old
    or failed; 130 and 143 stopped by Ctrl-C or SIGTERM. Unless it is 0, no file was written.
    """
    if delete_replaced:
        if with_rows or scratch or as_json:
            raise click.UsageError("--delete-replaced only moves and deletes files: it takes no other option.")
        deleted = library_of_deletion.delete_replaced(current_config(), revision)
        click.echo(deleted.path)
        click.echo(f"{len(deleted.files)} revisions were deleted, whose place it takes.", err=True)
        return
    done = library.squash(current_config(), revision, with_rows=with_rows, scratch=scratch)
    if as_json:
        print_json(WrittenBaseline(str(done.path), done.revision, done.replaced, done.rows))
        return
    click.echo(done.path)
    click.echo(f"It takes the place of {len(done.replaced)} revisions in a new database.", err=True)
