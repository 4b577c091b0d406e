"""Boards of custom fields from before they carried their organization get it."""

from app.db.migrations.backfill import Backfill

backfill = Backfill(
    table="custom_field_boards",
    after="2e7a658ef30d",
    where="custom_field_boards.organization_id IS NULL",
    update="UPDATE custom_field_boards SET organization_id = custom_fields.organization_id"
    " FROM custom_fields WHERE custom_fields.id = custom_field_boards.custom_field_id AND {batch}",
)
