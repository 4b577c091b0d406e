"""Tags of tasks from before they carried their organization get it."""

from app.db.migrations.backfill import Backfill

backfill = Backfill(
    table="task_tags",
    after="f11f3eb459c8",
    where="task_tags.organization_id IS NULL",
    update="UPDATE task_tags SET organization_id = tags.organization_id"
    " FROM tags WHERE tags.id = task_tags.tag_id AND {batch}",
)
