"""Why the demo cannot go on."""

import rich_click as click


class RolloutError(click.ClickException):
    """A part of the rollout failed; the text says which, and what it said."""
