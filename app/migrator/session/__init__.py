"""The session that migrates: its lock, its limits, and the signals that end it."""
