"""The shapes of requests and responses (msgspec), apart from the tables."""
