"""The shapes of requests and responses (msgspec). They are separate from the tables."""
