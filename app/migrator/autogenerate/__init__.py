"""What `alembic check` and a generated revision find: the comparison of `drift`, as Alembic's operations.

Alembic's own comparison sees no changed default, CHECK or trigger, and takes what PostgreSQL writes otherwise for a
change. `comparing` takes its place, `operations` has the operation for each kind of difference, `steps` writes them.
"""
