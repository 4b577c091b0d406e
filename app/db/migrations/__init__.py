"""The name under which applied backfills import what they need; the engine is `app.migrator`."""
