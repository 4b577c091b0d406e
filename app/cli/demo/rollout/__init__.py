"""`litestar demo rollout`: a release is rolled out under traffic, and what the requests felt is measured.

`command.py` has the command, `stages.py` the order of a rollout, `proof.py` what must be true at its end.
"""
