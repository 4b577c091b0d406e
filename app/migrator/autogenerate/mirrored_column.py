"""A column that mirrors another of its table while two releases run, each of which knows one of the two.

A renamed column, or one of another type, is a new column. A trigger keeps both equal in both directions, so that no
release has to write both, and a backfill fills in the rows from before. A later contract revision drops the trigger and
the old column.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..backfill.batch import FORMATS
from ..sql.names import qualified, split_name
from ..sql.quoting import dollar_quoted, quote

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
    ELSIF TG_OP = 'INSERT' OR ROW(NEW.$old)::record *<> ROW(OLD.$old)::record
          OR ROW(NEW.$old)::record *<> ROW($is_old)::record THEN
        NEW.$new := $to_new;
    END IF;
    RETURN NEW;
END
"""
# What applied revisions may have: a row that was written past the trigger stayed as it was.
_FORMER_BODY = """\
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
    """The column `new` of a table, which holds what `old` holds; the table's name is as effects have it.

    `to_new` and `to_old` are SQL expressions of the one's value by the other's, which is `{value}`: `{value}::bigint`.
    NULL, and nothing else, becomes NULL in `to_old`. If a statement changes both columns, the new one counts.

    `default` is the SQL of the default that the new column has; it is not volatile, and its type has an equality. A row
    that is still to be filled has NULL, so the column gets its default in a step of its own.

    `old_type` and `new_type` are the types with their lengths, to which a converted value is cut where it is compared.
    """

    table: str
    old: str
    new: str
    to_new: str = VALUE
    to_old: str = VALUE
    default: str | None = None
    old_type: str | None = None
    # The function does not show it.
    new_type: str | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The name of the trigger and of its function."""
        # Only with an underscore within may the parts of another column make the same name.
        is_clear = self._words.count("_") == 3  # noqa: PLR2004 - between four parts
        return self._words if is_clear and self._words == self._former_name else self._digested("\0")

    @property
    def _former_name(self) -> str:
        whole = self._words
        return whole if len(whole.encode()) <= _LONGEST_NAME else self._digested("_")

    @property
    def _words(self) -> str:
        return "_".join(("mirror", *filter(None, split_name(self.table)), self.old, self.new))

    def _digested(self, between: str) -> str:
        parts = ("mirror", *filter(None, split_name(self.table)), self.old, self.new)
        digest = hashlib.sha256(between.join(parts).encode()).hexdigest()[:8]
        return self._words.encode()[: _LONGEST_NAME - 9].decode(errors="ignore") + f"_{digest}"

    def is_kept_by(self, table: str, trigger: str | None) -> bool:
        """Return whether this is the trigger, also of an applied revision, whose name may be an earlier one."""
        return table == self.table and trigger in {self.name, self._former_name}

    def create(self) -> tuple[str, str]:
        """Return the statements that make the function and the trigger, in the revision that adds the new column."""
        name = quote(self.name)
        code = dollar_quoted(f"\n{self._body()}", tag="")
        return (
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql{self._settings()} AS {code}",
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
        """The `where` of that backfill: neither column is what the other becomes, in bytes.

        A row that was written while the trigger did not fire is one, too. A conversion may lose something one way.
        """
        old, new = quote(self.old), quote(self.new)
        left = f"ROW({new})::record *<> ROW({_cut(self.to_new.replace(VALUE, old), self.new_type)})::record"
        if not self._converts:
            return left
        return f"{left} AND ROW({old})::record *<> ROW({_cut(self.to_old.replace(VALUE, new), self.old_type)})::record"

    @property
    def _converts(self) -> bool:
        return (self.to_new, self.to_old) != (VALUE, VALUE)

    def _settings(self) -> str:
        """Return the clauses by which a value converts in every session as it does in the backfill."""
        if not self._converts:
            return ""
        settings = "".join(f"\nSET {name} = '{value}'" for name, value in FORMATS.items())
        return f"\n-- What has no time zone is taken as UTC.{settings}"

    @property
    def _table(self) -> str:
        return ".".join(quote(part) for part in split_name(self.table) if part)

    def _body(self, template: str = _BODY) -> str:
        to_old = self.to_old.replace(VALUE, f"NEW.{quote(self.new)}")
        fields = {
            "table": self._table,
            "old": quote(self.old),
            "new": quote(self.new),
            "default": "NULL" if self.default is None else f"({self.default})",
            "to_new": self.to_new.replace(VALUE, f"NEW.{quote(self.old)}"),
            "to_old": to_old,
            "is_old": _cut(to_old, self.old_type),
        }
        return _FIELD.sub(lambda field: fields[field[1]], template)


def _cut(value: str, to: str | None) -> str:
    return f"({value})::{to}" if to else value


def read_mirrored_column(function: str) -> MirroredColumn | None:
    """Return the column of which this is the trigger's function, as it was created or as the server shows it."""
    for template, pattern in _READ.items():
        found = pattern.search(function)
        mirrored = _from_fields(found.groupdict()) if found else None
        if found and mirrored and mirrored._body(template) == found[0]:  # noqa: SLF001 - of this module
            return mirrored
    return None


def _from_fields(fields: Mapping[str, str]) -> MirroredColumn:
    old, new, default, to_old = fields["old"], fields["new"], fields["default"], fields["to_old"]
    is_old = fields.get("is_old", to_old)
    return MirroredColumn(
        table=".".join(qualified("", _unquoted(part)) for part in re.findall(_NAME, fields["table"])),
        old=_unquoted(old),
        new=_unquoted(new),
        to_new=fields["to_new"].replace(f"NEW.{old}", VALUE),
        to_old=to_old.replace(f"NEW.{new}", VALUE),
        default=None if default == "NULL" else default[1:-1],
        old_type=None if is_old == to_old else is_old.removeprefix(_cut(to_old, "x")[:-1]),
    )


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _body_pattern(template: str) -> re.Pattern[str]:
    """Return the pattern of a function's body, in which a field has the same value everywhere."""
    parts, seen = [], set[str]()
    for position, part in enumerate(_FIELD.split(template)):
        if position % 2 == 0:
            parts.append(re.escape(part))
        elif part in seen:
            parts.append(f"(?P={part})")
        else:
            seen.add(part)
            pattern = rf"{_NAME}(?:\.{_NAME})?" if part == "table" else _PATTERNS.get(part, ".+?")
            parts.append(f"(?P<{part}>{pattern})")
    return re.compile("".join(parts), re.DOTALL)


_READ = {template: _body_pattern(template) for template in (_BODY, _FORMER_BODY)}
