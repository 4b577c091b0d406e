"""Tasks from before they carried their organization get it."""

from app.db.migrations.backfill import Backfill

backfill = Backfill(
    table="tasks",
    after="ea8fd837115f",
    where="tasks.organization_id IS NULL",
    update="UPDATE tasks SET organization_id = boards.organization_id"
    " FROM boards WHERE boards.id = tasks.board_id AND {batch}",
)
