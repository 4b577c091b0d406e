"""The database layer: URL, engine, session, start-up policy, migrations."""
