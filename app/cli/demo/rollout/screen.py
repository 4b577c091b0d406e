"""The rollout in the terminal: live where there is one, otherwise a line a step."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rich_click as click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from app.cli.demo.rollout.figures import Figures, Sample, measure
from app.cli.demo.rollout.view import RolloutView, Step

_MARKS = {"waiting": ("·", "dim"), "running": ("▶", "cyan"), "done": ("✓", "green"), "failed": ("✗", "red")}
_BARS = " ▁▂▃▄▅▆▇█"
_CHART_SECONDS = 60
_RECENT_SECONDS = 5.0


@contextmanager
def shown(view: RolloutView) -> Iterator[None]:
    """Show the view within this context, on standard error, and what became of it at the end."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        view.on_step = _print_step(view)
        yield
        return
    with Live(get_renderable=lambda: render(view), console=console, refresh_per_second=2, transient=False):
        yield


def render(view: RolloutView) -> RenderableType:
    """Return the whole screen, 80 columns wide at most."""
    title = Text(f"{view.rows:,} tasks, {view.rate:g} requests a second", "bold")
    parts: list[RenderableType] = [title, _steps(view)]
    if view.steps[-1].ended is not None:
        # What follows it is the summary.
        return Group(*parts)
    if view.replicas:
        parts.append(Text(" · ".join(f"{replica.name} {replica.state}" for replica in view.replicas), "dim"))
    if view.page_url:
        parts.append(Text(f"Watch the schema at {view.page_url}", "dim"))
    if view.traffic is not None:
        parts += [*_chart(view.samples()), _total(view.figures())]
    return Group(*parts)


def print_summary(view: RolloutView) -> None:
    """Print the checks, and the figure."""
    for check in view.checks:
        click.secho(f"{'✓' if check.holds else '✗'} {check.what}: {check.found}", fg=None if check.holds else "red")
    failures = view.traffic.failures if view.traffic else []
    for failure in failures[:10]:
        click.secho(f"  {failure}", fg="red")
    figures = view.figures()
    click.secho(f"{figures.failed:,} of {figures.requests:,} requests failed", bold=True)


def _steps(view: RolloutView) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1), width=80, header_style="dim")
    table.add_column("")
    table.add_column("step", ratio=1, no_wrap=True)
    for head in ("took", "requests", "failed", "p50", "p99"):
        table.add_column(head, justify="right", no_wrap=True)
    for step in view.steps:
        mark, style = _MARKS[step.outcome]
        took = "" if step.outcome == "waiting" else f"{step.seconds:.1f} s"
        table.add_row(Text(mark, style), _name(step), took, *_cells(view.figures(step)))
    return table


def _name(step: Step) -> RenderableType:
    if step.outcome != "running" or not step.total:
        return Text(step.name, "dim" if step.outcome == "waiting" else "")
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right")
    grid.add_row(step.name, ProgressBar(step.total, step.done), f"{step.done / step.total:.0%}")
    return grid


def _cells(figures: Figures) -> list[RenderableType]:
    if not figures.requests:
        return []
    failed = Text(f"{figures.failed:,}", "red bold" if figures.failed else "green")
    return [f"{figures.requests:,}", failed, _milliseconds(figures.p50_ms), _milliseconds(figures.p99_ms)]


def _chart(samples: list[Sample]) -> list[RenderableType]:
    """Return the p99 of each of the last seconds as bars, and the figures of the last few."""
    now = time.monotonic()
    recent = [sample for sample in samples if now - sample.ended < _CHART_SECONDS]
    seconds: list[list[Sample]] = [[] for _ in range(_CHART_SECONDS)]
    for sample in recent:
        seconds[_CHART_SECONDS - 1 - int(now - sample.ended)].append(sample)
    measured = [measure(second) for second in seconds]
    highest = max((figures.p99_ms for figures in measured), default=0) or 1
    bars = Text("p99 ", "dim")
    for figures in measured:
        height = int(figures.p99_ms / highest * (len(_BARS) - 1))
        bars.append(_BARS[max(height, 1 if figures.requests else 0)], "red" if figures.failed else "cyan")
    bars.append(f" {_milliseconds(highest)}", "dim")
    last = measure([sample for sample in recent if now - sample.ended < _RECENT_SECONDS])
    line = f"last {_RECENT_SECONDS:.0f} s: p50 {_milliseconds(last.p50_ms)}, p99 {_milliseconds(last.p99_ms)}"
    return [bars, Text(f"{line}, {last.failed:,} failed", "dim")]


def _total(figures: Figures) -> Text:
    text = f"{figures.failed:,} of {figures.requests:,} requests failed"
    return Text(text, "bold red" if figures.failed else "bold green")


def _print_step(view: RolloutView) -> Callable[[Step], None]:
    page_url = None

    def show(step: Step) -> None:
        nonlocal page_url
        if step.ended is None:
            return
        figures = view.figures(step)
        felt = ""
        if figures.requests:
            p50, p99 = _milliseconds(figures.p50_ms), _milliseconds(figures.p99_ms)
            felt = f", {figures.requests:,} requests, {figures.failed:,} failed, p50 {p50}, p99 {p99}"
        click.echo(f"{step.name}: {step.outcome} in {step.seconds:.1f} s{felt}", err=True)
        if view.page_url != page_url:
            page_url = view.page_url
            click.echo(f"Watch the schema at {page_url}", err=True)

    return show


def _milliseconds(value: float) -> str:
    return f"{value:.1f} ms" if value < 10 else f"{value:,.0f} ms"  # noqa: PLR2004 - one digit after the point
