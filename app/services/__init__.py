"""Rules that span repositories or have side effects."""
