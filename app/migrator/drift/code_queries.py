"""The queries of the catalogues for triggers, policies, rules, functions and views."""

from .catalogue_queries import OURS, owned_by_extension

ATTACHED = f"""{OURS}
    SELECT t.relname::text AS "table", g.tgname::text AS name, 'trigger' AS kind,
           pg_get_triggerdef(g.oid, true) AS definition, g.tgenabled::text AS state
    FROM ours AS t JOIN pg_trigger AS g ON g.tgrelid = t.oid AND NOT g.tgisinternal AND g.tgparentid = 0
    WHERE NOT {owned_by_extension("pg_trigger", "g.oid")}
    UNION ALL
    SELECT t.relname::text, r.rulename::text, 'rule', rtrim(pg_get_ruledef(r.oid, true), ';'), r.ev_enabled::text
    FROM ours AS t JOIN pg_rewrite AS r ON r.ev_class = t.oid AND r.rulename <> '_RETURN'
    UNION ALL
    SELECT t.relname::text, p.polname::text, 'policy', concat(
               format('CREATE POLICY %I ON %I AS ', p.polname, t.relname),
               CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, ' FOR ',
               CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
               ELSE 'ALL' END, ' TO ', (
                   SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', '
                                     ORDER BY r)
                   FROM unnest(p.polroles) AS r
               ), ' USING (' || pg_get_expr(p.polqual, p.polrelid, true) || ')',
               ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid, true) || ')'), 'O'
    FROM ours AS t JOIN pg_policy AS p ON p.polrelid = t.oid
    ORDER BY 1, 2
"""  # noqa: S608 - constants

TRIGGER_CODE = f"""{OURS}
    SELECT DISTINCT t.relname::text AS "table", p.oid::regprocedure::text AS name, p.prosrc AS body
    FROM ours AS t JOIN pg_trigger AS g ON g.tgrelid = t.oid AND NOT g.tgisinternal
    JOIN pg_proc AS p ON p.oid = g.tgfoid
    ORDER BY 1, 2
"""  # noqa: S608 - constants

_NAME = "CASE WHEN n.oid = pg_my_temp_schema() THEN 'pg_temp' ELSE quote_ident(n.nspname) END || '.'"
# The server writes the schema of a function whatever search_path is.
ROUTINES = f"""
    SELECT p.proname::text AS name, format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) AS signature,
           CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END AS kind,
           concat_ws(' ', p.prokind, pg_get_function_result(p.oid), pg_get_function_arguments(p.oid)) AS result,
           rtrim(overlay(d.text PLACING '' FROM strpos(d.text, {_NAME}) FOR length({_NAME})), E'\\n') AS definition
    FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    CROSS JOIN LATERAL (SELECT pg_get_functiondef(p.oid) AS text) AS d
    WHERE n.nspname = :schema AND p.prokind <> 'a' AND NOT {owned_by_extension("pg_proc", "p.oid")}
    ORDER BY p.oid
"""  # noqa: S608 - constants

VIEWS = f"""
    SELECT c.relname::text AS name, k.kind,
           concat('CREATE ', k.kind, ' ', quote_ident(c.relname),
                  ' WITH (' || array_to_string(c.reloptions, ', ') || ')',
                  ' AS', chr(10), rtrim(pg_get_viewdef(c.oid, true), ';')) AS definition
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (SELECT CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END AS kind) AS k
    WHERE n.nspname = :schema AND c.relkind IN ('v', 'm') AND NOT {owned_by_extension("pg_class", "c.oid")}
    ORDER BY c.oid
"""  # noqa: S608 - constants
