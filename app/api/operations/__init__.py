"""The operations page: one read-only page about the schema, the migration under way, and what requests feel."""
