"""The monthly partitions of the tables that only grow: made ahead of time, dropped when they are older than is kept.

A month without a partition goes into the table's default partition, so that no row is refused. `state.py` reads what
there is and says what is to be done, `ddl.py` does each step in a transaction, and `maintenance.py` runs them in their
order, if the clocks of `clock.py` agree.
"""
