"""`litestar database …`: one module a command, each a few lines over a function of `app/db/migrations/`."""
