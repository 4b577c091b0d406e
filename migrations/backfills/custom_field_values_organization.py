"""Custom field values from before they carried their organization get it."""

from app.db.migrations.backfill import Backfill

backfill = Backfill(
    table="custom_field_values",
    after="85690977e471",
    where="custom_field_values.organization_id IS NULL",
    update="UPDATE custom_field_values SET organization_id = custom_fields.organization_id"
    " FROM custom_fields WHERE custom_fields.id = custom_field_values.custom_field_id AND {batch}",
)
