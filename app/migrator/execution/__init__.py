"""Applying and reverting revisions."""
