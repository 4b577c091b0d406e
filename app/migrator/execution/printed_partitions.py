"""What `partitioned_tables` does on the partitions, as SQL of a script: psql asks the server which there are."""

from collections.abc import Iterator

from ..sql.quoting import quote_literal
from .partitioned_tables import KEYS, LEFT, PartitionedIndex, match_key


def build_as_sql(index: PartitionedIndex, usual_limit: str) -> Iterator[str]:
    """Yield what builds the index on the partitions; `usual_limit` sets the lock timeout that the script has."""
    name, behind = quote_literal(index.name), quote_literal(index.behind)
    parts = f"FROM ({_filled(LEFT.text, index=index.name)}) AS parts"
    yield index.create.replace("INDEX ", "INDEX IF NOT EXISTS ", 1) + ";"
    yield "SET lock_timeout = '0';"
    build = f"CREATE {index.unique}INDEX CONCURRENTLY %I ON %s%s"
    yield f"SELECT format('{build}', wanted, name, {behind}) {parts} WHERE NOT is_built \\gexec"
    yield f"{usual_limit};"
    add = "ALTER TABLE %s ADD CONSTRAINT %I UNIQUE USING INDEX %I"
    lacking = "WHERE constraint_of_table IS NOT NULL AND NOT is_constrained"
    yield f"SELECT format('{add}', name, wanted, wanted) {parts} {lacking} \\gexec"
    yield f"SELECT format('ALTER INDEX %s ATTACH PARTITION %s.%I', {name}, schema, wanted) {parts} \\gexec"


def key_as_sql(statement: str) -> str | None:
    """Return what does on any server what the statement says of a foreign key; None for another statement."""
    key = match_key(statement)
    if key is None:
        return None
    begin, end = key.span("table")
    before, after = quote_literal(statement[:begin]), quote_literal(statement[end:])
    is_added, is_validated = "verb" not in key.groupdict(), key.groupdict().get("verb", "").upper() == "VALIDATE"
    having = "true" if is_added else "definition IS NOT NULL"
    every = [f"SELECT {before} || name || {after} FROM parts WHERE {having}"]  # noqa: S608 - literals
    if is_validated:
        add = quote_literal(f"ALTER TABLE {key['table']} ADD CONSTRAINT {key['name']} ")
        one = "(SELECT definition FROM parts WHERE definition IS NOT NULL LIMIT 1) AS one"
        every.append(f"SELECT {add} || regexp_replace(definition, ' NOT VALID$', '') FROM {one}")  # noqa: S608 - literals
    every.append(f"SELECT {quote_literal(statement)} WHERE NOT EXISTS (SELECT FROM parts)")  # noqa: S608 - a literal
    parts = _filled(KEYS.text, table=key["table"], name=key["name"])
    return f"WITH parts AS ({parts}) {' UNION ALL '.join(every)} \\gexec"


def _filled(query: str, **values: str) -> str:
    for name, value in values.items():
        query = query.replace(f":{name}", quote_literal(value))
    return " ".join(query.split())
