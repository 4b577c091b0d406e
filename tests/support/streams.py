"""Events that tests of streams insert."""

from typing import Any
from uuid import UUID

from tests.support.database import query


def insert_event(
    url: str, board: dict[str, Any], *types: str, count: int = 1, message: str = "", subject_id: str | None = None
) -> None:
    """Events on the board, in one transaction, of which no process is told."""
    query(
        url,
        "INSERT INTO activity_events (id, organization_id, board_id, event_type, message, subject_id)"
        " SELECT gen_random_uuid(), organization_id, :board, event_type, :message, CAST(:subject AS uuid)"
        " FROM boards, unnest(CAST(:types AS text[])) AS event_type, generate_series(1, :count)"
        " WHERE boards.id = :board",
        board=UUID(board["id"]),
        types=list(types),
        count=count,
        message=message,
        subject=subject_id,
    )
