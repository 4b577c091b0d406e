"""The locks that a migration holds or waits for: for schema changes, of tables, and of Alembic in this process."""
