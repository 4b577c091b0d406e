"""`litestar demo` in the image, which does without the demo's code."""

import rich_click as click


@click.command(name="demo", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def no_demo() -> None:
    """Say that the demo is for a checkout."""
    raise click.ClickException("The image has no demo: run `litestar demo` in a checkout, with this DATABASE_URL.")
