"""A PostgreSQL by its URL; knows no settings, no model and no web framework."""
