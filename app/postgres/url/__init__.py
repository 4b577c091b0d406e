"""A database URL: its syntax, libpq's parameters, TLS, and the arguments of the drivers.

It is ours because asyncpg's own parser loses seven of libpq's parameters and shows a part of some passwords in errors.
"""
