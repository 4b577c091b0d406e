"""`litestar users` and `litestar demo`: commands that work on the data, under the rules of the services."""
