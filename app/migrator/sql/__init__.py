"""What a statement does, read from its words.

`tokens.py` takes SQL apart into statements and words, by the rules of PostgreSQL's scanner. `reader.py` says what a
statement does, action by action in `alter_table.py` and by its queries in `rows.py`; `effect.py` has the kinds.
`offline.py` has the SQL of a revision.
"""
