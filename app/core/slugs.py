"""Slugs made of names."""

import re
import unicodedata

_LONGEST = 100


def slug_of(name: str) -> str:
    """`Straße & Brücke` gives `strasse-brucke`; empty where nothing of the name is a letter or digit of a slug."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST].strip("-")
