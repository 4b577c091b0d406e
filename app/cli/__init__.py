"""`litestar users`, `litestar demo` and `litestar import`: commands that work on the data.

The first two do it under the rules of the services; what is imported is checked by rules of its own.
"""
