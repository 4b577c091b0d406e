"""`lint`: what would break the previous release, or stop traffic, before a revision is applied.

`known_schema.py` reads the revisions' SQL, `rules.py` has the table of our rules and `contract_steps.py` that of the
steps of a contract revision, `squawk.py` says which of squawk's rules are on, `overruled.py` where one is not heeded,
and `linter.py` brings them together.

tests/migrations/unsafe_operations.txt has what they say of the operations that published lists call unsafe.
"""
