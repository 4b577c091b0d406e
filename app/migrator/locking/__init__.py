"""The lock for schema changes, its guard, and waiting for tables that somebody else has locked."""
