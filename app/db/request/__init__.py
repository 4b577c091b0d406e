"""The session of a request: its boundary, its prepared statements and the server that it reads."""
