"""Board group memory from before they carried their organization get it."""

from app.db.migrations.backfill import Backfill

backfill = Backfill(
    table="board_group_memory",
    after="d7bf73d9c869",
    where="board_group_memory.organization_id IS NULL",
    update="UPDATE board_group_memory SET organization_id = board_groups.organization_id"
    " FROM board_groups WHERE board_groups.id = board_group_memory.board_group_id AND {batch}",
)
