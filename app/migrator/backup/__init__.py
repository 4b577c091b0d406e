"""`backup` and `restore`: pg_dump and pg_restore, with a manifest that says what must come back.

`backup.py` and `restore.py` are the two commands; `archive.py` is the file between them.
"""
