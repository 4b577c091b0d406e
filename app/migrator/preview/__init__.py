"""Say what revisions would do in a database, before they do it."""
