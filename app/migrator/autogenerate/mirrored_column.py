"""A column that mirrors another of its table while two releases run, each of which knows one of the two.

A renamed column, or one of another type, is a new column. A trigger keeps both equal in both directions, so that no
release has to write both, and a backfill fills in the rows from before. A later contract revision drops the trigger and
the old column.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..sql.quoting import quote

VALUE = "{value}"
_LONGEST_NAME = 63

# The new column is left at its default by the release that does not know it, and the old one by the release that does.
# The server compares two rows byte by byte with *<>, also those of types without an equality.
_BODY = """\
BEGIN
    -- $table.$new mirrors $table.$old.
    IF TG_OP = 'INSERT' AND NEW.$new IS DISTINCT FROM $default
       OR TG_OP = 'UPDATE' AND ROW(NEW.$new)::record *<> ROW(OLD.$new)::record THEN
        NEW.$old := $to_old;
    ELSIF TG_OP = 'INSERT' OR NEW.$new IS NOT DISTINCT FROM NULL
          OR ROW(NEW.$old)::record *<> ROW(OLD.$old)::record THEN
        NEW.$new := $to_new;
    END IF;
    RETURN NEW;
END
"""
_FIELD = re.compile(r"\$(\w+)")
_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_PATTERNS = {"table": _NAME, "old": _NAME, "new": _NAME}


@dataclass(frozen=True)
class MirroredColumn:
    """The column `new` of a table, which holds what `old` holds; the table may have its schema before a dot.

    `to_new` and `to_old` are SQL expressions of the one's value by the other's, which is `{value}`: `{value}::bigint`.
    NULL, and nothing else, becomes NULL in `to_old`. If a statement changes both columns, the new one counts.

    `default` is the SQL of the default that the new column has; it is not volatile, and its type has an equality. A row
    that is still to be filled has NULL, so the column gets its default in a step of its own.
    """

    table: str
    old: str
    new: str
    to_new: str = VALUE
    to_old: str = VALUE
    default: str | None = None

    @property
    def name(self) -> str:
        """The name of the trigger and of its function."""
        whole = "_".join(("mirror", self.table.replace(".", "_"), self.old, self.new))
        if len(whole.encode()) <= _LONGEST_NAME:
            return whole
        digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
        return whole.encode()[: _LONGEST_NAME - 9].decode(errors="ignore") + f"_{digest}"

    def create(self) -> tuple[str, str]:
        """Return the statements that make the function and the trigger, in the revision that adds the new column."""
        name = quote(self.name)
        return (
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$\n{self._body()}$$",
            f"CREATE TRIGGER {name} BEFORE INSERT OR UPDATE OF {quote(self.old)}, {quote(self.new)}"
            f" ON {self._table} FOR EACH ROW EXECUTE FUNCTION {name}()",
        )

    def drop(self) -> tuple[str, str]:
        """Return the statements that drop both; a column cannot be dropped before its trigger."""
        return f"DROP TRIGGER {quote(self.name)} ON {self._table}", f"DROP FUNCTION {quote(self.name)}()"

    @property
    def backfill_update(self) -> str:
        """The `update` of the backfill that has the trigger fill in the new column.

        If it wrote the new column, the trigger would write what that makes of the old one, which may be less.
        """
        return f"UPDATE {self._table} SET {quote(self.old)} = {quote(self.old)} WHERE {{batch}}"  # noqa: S608 - quoted names

    @property
    def backfill_where(self) -> str:
        """The `where` of that backfill. Any other row was written since the trigger is there."""
        value = self.to_new.replace(VALUE, quote(self.old))
        return f"{quote(self.new)} IS NULL AND ({value}) IS NOT NULL"

    @property
    def _table(self) -> str:
        return ".".join(quote(part) for part in self.table.split("."))

    def _body(self) -> str:
        fields = {
            "table": self._table,
            "old": quote(self.old),
            "new": quote(self.new),
            "default": "NULL" if self.default is None else f"({self.default})",
            "to_new": self.to_new.replace(VALUE, f"NEW.{quote(self.old)}"),
            "to_old": self.to_old.replace(VALUE, f"NEW.{quote(self.new)}"),
        }
        return _FIELD.sub(lambda field: fields[field[1]], _BODY)


def read_mirrored_column(function: str) -> MirroredColumn | None:
    """Return the column of which this is the trigger's function, as it was created or as the server shows it."""
    found = _READ.search(function)
    if found is None:
        return None
    mirrored = _from_fields(found.groupdict())
    return mirrored if mirrored._body() == found[0] else None  # noqa: SLF001 - of this module


def _from_fields(fields: Mapping[str, str]) -> MirroredColumn:
    old, new, default = fields["old"], fields["new"], fields["default"]
    return MirroredColumn(
        table=".".join(_unquoted(part) for part in re.findall(_NAME, fields["table"])),
        old=_unquoted(old),
        new=_unquoted(new),
        to_new=fields["to_new"].replace(f"NEW.{old}", VALUE),
        to_old=fields["to_old"].replace(f"NEW.{new}", VALUE),
        default=None if default == "NULL" else default[1:-1],
    )


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _body_pattern() -> re.Pattern[str]:
    """Return the pattern of a function's body, in which a field has the same value everywhere."""
    parts, seen = [], set[str]()
    for position, part in enumerate(_FIELD.split(_BODY)):
        if position % 2 == 0:
            parts.append(re.escape(part))
        elif part in seen:
            parts.append(f"(?P={part})")
        else:
            seen.add(part)
            pattern = rf"{_NAME}(?:\.{_NAME})?" if part == "table" else _PATTERNS.get(part, ".+?")
            parts.append(f"(?P<{part}>{pattern})")
    return re.compile("".join(parts), re.DOTALL)


_READ = _body_pattern()
