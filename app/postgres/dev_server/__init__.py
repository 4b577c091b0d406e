"""The PostgreSQL that starts by itself for development.

It is ours because the wheel's own layer outlives SIGTERM and kill -9 of its last user, and breaks on a kill in
`initdb`, on spaces in paths and on `PGPORT`.
"""
