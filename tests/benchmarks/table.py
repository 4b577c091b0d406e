"""The outcomes as a table for people."""

from collections.abc import Sequence

from rich.table import Table

from tests.benchmarks.results import Figures, Outcome, Verdict

_COLUMNS = ("", "median", "spread", "p50 ms", "p99 ms", "CPU µs", "RSS MB", "ratio", "by CPU", "goal", "")


def as_table(outcomes: Sequence[Outcome]) -> Table:
    """A section a row, with a line a contestant; a goal stands beside the rival that it names."""
    table = Table(box=None, pad_edge=False, caption_justify="left", header_style="bold")
    for number, name in enumerate(_COLUMNS):
        table.add_column(name, justify="left" if number in {0, 9, 10} else "right", no_wrap=True)
    for outcome in outcomes:
        table.add_row(f"[bold]{outcome.name}[/bold], {outcome.unit}")
        for name, samples in outcome.samples.items():
            goals = [verdict for verdict in outcome.verdicts if (verdict.goal.rival or verdict.goal.of) == name]
            table.add_row(*_line(name, Figures.of(samples)), *_cells(goals))
        table.add_section()
    table.caption = "\n".join(f"{outcome.name}: {outcome.title}. {outcome.note}" for outcome in outcomes)
    return table


def _line(name: str, found: Figures) -> list[str]:
    others = [_number(value) for value in (found.p50, found.p99, found.cpu, found.memory)]
    return [f"  {name}", _number(found.value), f"{found.spread:.0%}", *others]


def _cells(verdicts: Sequence[Verdict]) -> list[str]:
    words = ("[green]met[/green]" if verdict.is_met else "[red]not met[/red]" for verdict in verdicts)
    reached = (_number(verdict.reached) for verdict in verdicts)
    by_cpu = (_number(verdict.by_cpu) for verdict in verdicts)
    return ["\n".join(column) for column in (reached, by_cpu, map(str, (v.goal for v in verdicts)), words)]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:.2f}"
