"""The PostgreSQL that starts by itself for development."""
