"""The blocks that grant on something new what is granted on something else: the blocks of code that are understood.

They are generated: who has a privilege is known only where they run, and plain SQL has no words for that.
"""

import re

from .quoting import dollar_quoted, quote, quote_literal

_TABLE, _SEQUENCE, _COLUMN, _LIKE = "<table>", "<sequence>", "<column>", "<like>"
_GRANTEE = "CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END"
_USAGE = f""" DECLARE its_grantee text; BEGIN
    FOR its_grantee IN
        SELECT DISTINCT {_GRANTEE}
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
_COPY = f""" DECLARE its_grant text; BEGIN
    FOR its_grant IN
        SELECT format('GRANT %s (%s) ON %s TO %s%s', acl.privilege_type, {_COLUMN}, {_TABLE}, {_GRANTEE},
            CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' END)
        FROM pg_attribute, aclexplode(attacl) AS acl
        WHERE attrelid = {_TABLE}::regclass AND attname = {_LIKE}
    LOOP
        EXECUTE its_grant;
    END LOOP;
END """  # noqa: S608 - a constant
_IS_NAME = re.compile("|".join((_TABLE, _SEQUENCE, _COLUMN, _LIKE)))
_ARE_OURS = [re.compile(_IS_NAME.sub("E?'(?:[^']|'')*'", re.escape(body))) for body in (_USAGE, _COPY)]


def grant_usage(sequence: str, table: str) -> str:
    """Return the block that lets all who may insert into the table use the sequence, as a default there needs it."""
    return _block(_USAGE, {_TABLE: quote(table), _SEQUENCE: quote(sequence)})


def grant_like(table: str, column: str, like: str) -> str:
    """Return the block that grants on a column what is granted on another column of its table."""
    return _block(_COPY, {_TABLE: quote(table), _COLUMN: quote(column), _LIKE: like})


def is_grant_block(body: str) -> bool:
    """Return whether this is the body of such a block."""
    return any(ours.fullmatch(body) for ours in _ARE_OURS)


def _block(body: str, names: dict[str, str]) -> str:
    code = _IS_NAME.sub(lambda found: quote_literal(names[found[0]]), body)
    return f"DO {dollar_quoted(code, tag='')}"
