"""Slugs made from names."""

import re
import unicodedata

_LONGEST = 100


def slugify(name: str) -> str:
    """Return the slug of a name: `strasse-brucke` for `Straße & Brücke`. Empty if no letter or digit is left."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST].strip("-")
