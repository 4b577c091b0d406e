"""The command `diff`."""

import sys

import rich_click as click

from ..branch.markdown import as_markdown
from ..branch.summary import read_summary
from .options import as_json, current_config
from .rows import print_json


@click.command()
@click.argument("base")
@as_json
def diff(base: str, as_json: bool) -> None:
    """Show what this branch's revisions change against BASE, as Markdown for a comment in the pull request.

    BASE is a branch or a commit. New are the revisions that the last common commit of HEAD and BASE does not have: what
    they make, change and take away, for which tables traffic waits, which rows are read or written, what is lost, what
    `lint` finds. Told as well: revisions of the base that this branch edits or removes, and those that it lacks.

    Reads git and the revisions' files; checks nothing out and needs no database.

    Exit codes: 0 shown, whatever was found (`lint --base BASE` says no); 2 no git repository, an unknown BASE, a clone
    without the history, a wrong option or setting, or squawk is not installed; 3 the revisions cannot be read.
    """
    summary = read_summary(current_config(), base)
    if as_json:
        print_json(summary)
    else:
        sys.stdout.write(as_markdown(summary))
