"""What `alembic check` and a generated revision find: the comparison of `drift`, as Alembic's operations.

Alembic's own comparison sees no changed default, CHECK or trigger, and takes what PostgreSQL writes otherwise for a
change. `comparison` replaces it, `operations` has the operation for each kind of difference, `steps` writes them into
the revision's file.
"""
