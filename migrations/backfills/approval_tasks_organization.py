"""Tasks of approvals from before they carried their organization get it."""

from app.db.migrations.backfill import Backfill

backfill = Backfill(
    table="approval_tasks",
    after="7ad3ab3e1d35",
    where="approval_tasks.organization_id IS NULL",
    update="UPDATE approval_tasks SET organization_id = approvals.organization_id"
    " FROM approvals WHERE approvals.id = approval_tasks.approval_id AND {batch}",
)
