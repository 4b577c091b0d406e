"""What `alembic check` and a generated revision find: the comparison of `drift`, as Alembic's operations.

Alembic's own comparison sees no changed default, CHECK or trigger, and takes what PostgreSQL writes otherwise for a
change. `comparison` replaces it, `operations` has the steps for each kind of difference, `plan` says which of them
share a revision, and `directives` has Alembic write those, and the backfills between them.
"""
