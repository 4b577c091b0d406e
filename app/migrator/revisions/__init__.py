"""The revisions: their files, the database's state against them, and the record of what was done."""
