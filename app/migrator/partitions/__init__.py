"""The monthly partitions of the tables that only grow: made ahead of time, dropped when they are older than is kept.

A partition of every other month is the table's default, so that no row is refused for want of one. `reading.py` says
what there is and what is to be done, `making.py` does each step in a transaction, `running.py` in their order.
"""
