"""A database URL: its syntax, libpq's parameters, TLS and what drivers make of it."""
