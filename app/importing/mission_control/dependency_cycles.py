"""Cycles among the dependencies of tasks, a board at a time."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from uuid import UUID

from app.importing.mission_control.findings import EXAMPLES, Finding
from app.importing.mission_control.source import Source

# A task that nothing waits for, or that waits for nothing, is in no cycle.
_EDGES = """
SELECT t.board_id, d.task_id, d.depends_on_task_id
FROM task_dependencies AS d JOIN tasks AS t ON t.id = d.task_id
WHERE EXISTS (SELECT FROM task_dependencies AS n WHERE n.task_id = d.depends_on_task_id)
  AND EXISTS (SELECT FROM task_dependencies AS n WHERE n.depends_on_task_id = d.task_id)
ORDER BY t.board_id"""


async def find_cycles(source: Source) -> list[Finding]:
    """Return a finding for each of the first boards whose tasks wait for each other in a cycle, with one cycle."""
    found: list[Finding] = []
    board: UUID | None = None
    waits_for: defaultdict[UUID, list[UUID]] = defaultdict(list)
    async with source.stream(_EDGES) as edges:
        async for board_id, task_id, depends_on in edges:
            if board_id != board:
                found += _cycle(waits_for)
                board, waits_for = board_id, defaultdict(list)
            if len(found) == EXAMPLES:
                return found
            waits_for[task_id].append(depends_on)
    return [*found, *_cycle(waits_for)]


def _cycle(waits_for: Mapping[UUID, Sequence[UUID]]) -> list[Finding]:
    try:
        TopologicalSorter(waits_for).prepare()
    except CycleError as exc:
        # The last is the first.
        tasks = exc.args[1][1:]
        return [Finding("task_dependencies", "tasks of a board wait for each other", len(tasks), [*map(str, tasks)])]
    return []
