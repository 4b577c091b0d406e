"""Say what revisions would do in a database, before they do it.

`catalogue.py` reads what the database has, from its catalogue alone. `effects.py` puts that together with the revisions
as the linter has parsed them; `row_work.py` has what they do with all rows of a table, and `losses.py` what they
remove, for every command that tells it. `dry_run.py` is `upgrade --dry-run`, and `rehearsal.py` runs the revisions in a
transaction that is rolled back.
"""
