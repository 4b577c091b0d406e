"""Board memory from before they carried their organization get it."""

from app.db.migrations.backfill import Backfill

backfill = Backfill(
    table="board_memory",
    after="9fddf1217709",
    where="board_memory.organization_id IS NULL",
    update="UPDATE board_memory SET organization_id = boards.organization_id"
    " FROM boards WHERE boards.id = board_memory.board_id AND {batch}",
)
