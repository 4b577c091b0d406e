"""What several tests need of boards."""

from tests.migrations.conftest import query

BOARDS = "/api/v1/boards"


MINIMAL = {"name": "Deck", "slug": "deck", "description": ""}


def become(url: str, role: str, *, reads: bool = False, writes: bool = False) -> None:
    query(
        url,
        "UPDATE organization_members SET role = :role, all_boards_read = :reads, all_boards_write = :writes",
        role=role,
        reads=reads,
        writes=writes,
    )


def grant(url: str, board_id: str, *, reads: bool, writes: bool) -> None:
    query(
        url,
        "INSERT INTO board_access (id, organization_member_id, board_id, can_read, can_write)"
        " SELECT gen_random_uuid(), id, :board, :reads, :writes FROM organization_members",
        board=board_id,
        reads=reads,
        writes=writes,
    )
