"""`litestar database doctor`: what may be wrong between here and a migrated database, one module a group of checks.

Nothing is changed by it, and a check that fails is a finding like any other, so that it works when half of it is
broken. `examination.py` has the table of checks.
"""
