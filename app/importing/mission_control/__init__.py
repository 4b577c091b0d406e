"""Take over the database of an OpenClaw Mission Control backend: check it, copy it in one transaction, compare.

`old_schema` has the tables of the old backend, `mapping` what becomes of each; `checking` reports what cannot be taken
over, by the queries of `rules` and by `unusable_values`; `importer` copies and compares. Everything is read in one
snapshot of the old database, and written in one transaction.
"""
