"""`litestar database lint`: what would break the previous release, or stop traffic, before a revision is applied.

`rules.py` has the table of our rules, and `squawk.py` says which of squawk's are asked.
"""
