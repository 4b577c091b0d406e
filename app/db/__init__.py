"""How the application uses `app.postgres` and `app.migrator`: plugin, start-up policy, requests, replicas."""
