"""How the live schema differs from the models, and the statements that would mend it.

It compares tables, columns, indexes, constraints, enums and sequences of one schema; triggers, policies and rules of
the models' tables; and the functions, views and comments that the models have. It does not compare domains, privileges,
storage parameters and partitioning, nor what extensions own.

`scratch_schema.py` makes the models' tables for a moment and has `catalogue.py` read both schemas; `compare.py` finds
the differences, for which the modules `…_ddl.py` have the statements, and `obstacles.py` what is in their way.
"""
