"""What a generated revision declares in its header.

It comes into the file with the imports, which every template of Alembic has a place for.
"""

from collections.abc import Mapping, Sequence

from ..phase import Phase
from ..revisions.requirements import Requirement

_PHASE, _REQUIRES, _ASSERTS, _IGNORES = "phase = ", "requires_backfill = ", "requires = ", "lint_ignore = "


def declarations(
    phase: Phase, backfills: Sequence[str], assertions: Sequence[Requirement], lint_ignore: Mapping[str, str]
) -> set[str]:
    """Return the lines that declare the phase, what the revision requires, and what lint ignores."""
    required = f'"{backfills[0]}"' if len(backfills) == 1 else "(" + ", ".join(f'"{name}"' for name in backfills) + ")"
    pairs = tuple(tuple(each) for each in assertions)
    asserted = f"{_ASSERTS}{pairs if len(pairs) > 1 else pairs[0]!r}" if pairs else ""
    ignored = f"{_IGNORES}{dict(lint_ignore)!r}"
    return (
        {f'{_PHASE}"{phase}"'}
        | ({_REQUIRES + required} if backfills else set())
        | ({asserted} if asserted else set())
        | ({ignored} if lint_ignore else set())
    )


def split_header(imports: str) -> tuple[str, str]:
    """Return the imports and the declarations, for a template that writes them in different places."""
    lines = imports.splitlines()
    declared = [line for line in lines if line.startswith((_PHASE, _REQUIRES, _ASSERTS, _IGNORES))]
    return "\n".join(line for line in lines if line not in declared), "\n".join(declared)
