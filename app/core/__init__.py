"""Settings, errors, logging and tokens: what every other package may import, and nothing of Litestar or of tables."""
