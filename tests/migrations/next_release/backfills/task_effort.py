"""Tasks from before there was an effort get one from the length of their title."""

from app.db.migrations.backfill import Backfill

backfill = Backfill(
    table="tasks",
    after="00000000e001",
    where="effort IS NULL",
    update="UPDATE tasks SET effort = length(title) WHERE {batch}",
)
