"""Code about migrating: a library of plain functions, and a thin command line over it."""
