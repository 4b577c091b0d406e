"""Comments from before they carried their organization get it."""

from app.db.migrations.backfill import Backfill

backfill = Backfill(
    table="task_comments",
    after="50a7026f4c84",
    where="task_comments.organization_id IS NULL",
    update="UPDATE task_comments SET organization_id = boards.organization_id"
    " FROM tasks JOIN boards ON boards.id = tasks.board_id WHERE tasks.id = task_comments.task_id AND {batch}",
)
