"""The block that lets all who may insert into a table use its new sequence: the one block of code that is understood.

It is generated: who may insert is known only where it runs, and plain SQL has no words for that.
"""

import re

from .quoting import dollar_quoted, quote, quote_literal

_TABLE, _SEQUENCE = "<table>", "<sequence>"
_BODY = f""" DECLARE its_grantee text; BEGIN
    FOR its_grantee IN
        SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END
        FROM (
            SELECT relacl FROM pg_class WHERE oid = {_TABLE}::regclass
            UNION ALL
            SELECT attacl FROM pg_attribute WHERE attrelid = {_TABLE}::regclass
        ) AS granted (acls), aclexplode(granted.acls) AS acl
        WHERE acl.privilege_type = 'INSERT'
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %s', {_SEQUENCE}, its_grantee);
    END LOOP;
END """  # noqa: S608 - a constant
_LITERAL = "E?'(?:[^']|'')*'"
_IS_BODY = re.compile(re.escape(_BODY).replace(_TABLE, _LITERAL).replace(_SEQUENCE, _LITERAL))


def grant_usage(sequence: str, table: str) -> str:
    """Return the block that lets all who may insert into the table use the sequence, as a default there needs it."""
    names = {_TABLE: quote_literal(quote(table)), _SEQUENCE: quote_literal(quote(sequence))}
    body = re.sub("|".join(names), lambda found: names[found[0]], _BODY)
    return f"DO {dollar_quoted(body, tag='')}"


def is_grant_usage(body: str) -> bool:
    """Return whether this is the body of such a block."""
    return bool(_IS_BODY.fullmatch(body))
