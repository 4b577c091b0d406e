"""The revisions: loading them, their history in the database, and the state of the schema."""
