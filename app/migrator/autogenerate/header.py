"""What a generated revision declares in its header.

It comes into the file with the imports, which every template of Alembic has a place for.
"""

from collections.abc import Sequence

from ..phase import Phase

_PHASE, _REQUIRES = "phase = ", "requires_backfill = "


def declarations(phase: Phase, backfills: Sequence[str]) -> set[str]:
    """Return the lines that declare the phase and the backfills that the revision requires."""
    required = f'"{backfills[0]}"' if len(backfills) == 1 else "(" + ", ".join(f'"{name}"' for name in backfills) + ")"
    return {f'{_PHASE}"{phase}"'} | ({_REQUIRES + required} if backfills else set())


def split_header(imports: str) -> tuple[str, str]:
    """Return the imports and the declarations, for a template that writes them in different places."""
    lines = imports.splitlines()
    declared = [line for line in lines if line.startswith((_PHASE, _REQUIRES))]
    return "\n".join(line for line in lines if line not in declared), "\n".join(declared)
