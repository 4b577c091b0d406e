"""`doctor`: what may be wrong between here and a migrated database, one module a group of checks.

It changes nothing, and a check that fails is a finding, so that it works when half of the database is broken.
`checks.py` has the table of checks, `connectivity.py` checks the network up to the login, `runner.py` runs the rest.
"""
