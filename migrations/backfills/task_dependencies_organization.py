"""Dependencies from before they carried their organization get it."""

from app.db.migrations.backfill import Backfill

backfill = Backfill(
    table="task_dependencies",
    after="8f8d73e1d036",
    where="task_dependencies.organization_id IS NULL",
    update="UPDATE task_dependencies SET organization_id = boards.organization_id"
    " FROM tasks JOIN boards ON boards.id = tasks.board_id WHERE tasks.id = task_dependencies.task_id AND {batch}",
)
