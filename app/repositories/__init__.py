"""Advanced Alchemy repositories: every query lives here."""
