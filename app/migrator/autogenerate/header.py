"""What a generated revision declares in its header.

It comes into the file with the imports, which every template of Alembic has a place for.
"""

from collections.abc import Mapping, Sequence

from ..phase import Phase

_PHASE, _REQUIRES, _IGNORES = "phase = ", "requires_backfill = ", "lint_ignore = "


def declarations(phase: Phase, backfills: Sequence[str], lint_ignore: Mapping[str, str]) -> set[str]:
    """Return the lines that declare the phase, the backfills that the revision requires, and what lint ignores."""
    required = f'"{backfills[0]}"' if len(backfills) == 1 else "(" + ", ".join(f'"{name}"' for name in backfills) + ")"
    ignored = f"{_IGNORES}{dict(lint_ignore)!r}"
    return (
        {f'{_PHASE}"{phase}"'}
        | ({_REQUIRES + required} if backfills else set())
        | ({ignored} if lint_ignore else set())
    )


def split_header(imports: str) -> tuple[str, str]:
    """Return the imports and the declarations, for a template that writes them in different places."""
    lines = imports.splitlines()
    declared = [line for line in lines if line.startswith((_PHASE, _REQUIRES, _IGNORES))]
    return "\n".join(line for line in lines if line not in declared), "\n".join(declared)
