"""What keeps the server from changing or dropping an object: the objects that depend on it, by `pg_depend`."""

from typing import NamedTuple

from .catalogue_queries import OURS


class Dependent(NamedTuple):
    """An object that depends on another; `what` names it for people.

    `table` is its table, if that is in the schema; `column` is the generated column; `code` is the name of the view in
    the schema, or of the table's trigger, policy or rule.
    """

    what: str
    table: str | None
    column: str | None
    code: str | None = None


# Everything that has a name in the schema, and the table that it belongs to.
RELATIONS = """
    SELECT c.relname::text AS name, concat(CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
               WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type'
               WHEN 'f' THEN 'foreign table' ELSE 'table' END, ' ', quote_ident(c.relname),
               CASE WHEN x.indrelid IS NOT NULL THEN ' of ' || x.indrelid::regclass END) AS what,
           coalesce(r.relname, CASE WHEN c.relkind IN ('r', 'p') THEN c.relname END)::text AS "table",
           NULL AS "column"
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_index AS x ON x.indexrelid = c.oid
    LEFT JOIN pg_class AS r ON r.oid = x.indrelid
    WHERE n.nspname = :schema
"""

# Without what the server drops with the object, and what the statements drop: indexes and constraints of the schema's
# tables, defaults, partitions.
DEPENDENTS = f"""{OURS},
    target (kind, name, class, oid, sub) AS (
        SELECT 'table', relname::text, 'pg_class'::regclass, oid, 0 FROM ours
        UNION ALL SELECT 'table', relname::text, 'pg_type'::regclass, reltype, 0 FROM ours
        UNION ALL
        SELECT 'column', format('%I.%I', t.relname, a.attname), 'pg_class'::regclass, t.oid, a.attnum
        FROM ours AS t JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT 'index', i.relname::text, 'pg_class'::regclass, i.oid, 0
        FROM ours AS t JOIN pg_index AS x ON x.indrelid = t.oid JOIN pg_class AS i ON i.oid = x.indexrelid
        UNION ALL
        SELECT 'index', i.relname::text, 'pg_constraint'::regclass, k.oid, 0
        FROM ours AS t JOIN pg_constraint AS k ON k.conrelid = t.oid AND k.contype IN ('p', 'u', 'x')
        JOIN pg_class AS i ON i.oid = k.conindid
        UNION ALL
        SELECT 'type', y.typname::text, 'pg_type'::regclass, o.oid, 0
        FROM pg_type AS y JOIN pg_namespace AS n ON n.oid = y.typnamespace, unnest(ARRAY[y.oid, y.typarray]) AS o (oid)
        WHERE n.nspname = :schema AND y.typtype = 'e'
        UNION ALL
        SELECT 'function', format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)),
               'pg_proc'::regclass, p.oid, 0
        FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = :schema
        UNION ALL
        SELECT 'view', c.relname::text, 'pg_class'::regclass, c.oid, a.attnum
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum >= 0
        WHERE n.nspname = :schema AND c.relkind IN ('v', 'm')
    ),
    dependent AS (
        SELECT target.kind, target.name, target.oid AS target_oid, d.classid, d.objid, d.objsubid, d.deptype
        FROM target JOIN pg_depend AS d
        ON d.refclassid = target.class AND d.refobjid = target.oid AND d.refobjsubid = target.sub
    ),
    found (kind, name, what, relation, "column", code) AS (
        SELECT d.kind, d.name,
               CASE WHEN r.rulename <> '_RETURN' THEN format('rule %I on %s', r.rulename, c.oid::regclass)
               WHEN c.relkind = 'm' THEN 'materialized view ' || c.oid::regclass ELSE 'view ' || c.oid::regclass END,
               c.oid, NULL, CASE WHEN r.rulename <> '_RETURN' THEN r.rulename
               WHEN c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = :schema) THEN c.relname END::text
        FROM dependent AS d JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
        JOIN pg_class AS c ON c.oid = r.ev_class WHERE c.oid <> d.target_oid
        UNION ALL
        SELECT d.kind, d.name, format('policy %I on %s', p.polname, p.polrelid::regclass), p.polrelid, NULL,
               p.polname::text
        FROM dependent AS d JOIN pg_policy AS p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
        UNION ALL
        SELECT d.kind, d.name, format('trigger %I on %s', g.tgname, g.tgrelid::regclass), g.tgrelid, NULL,
               g.tgname::text
        FROM dependent AS d JOIN pg_trigger AS g ON d.classid = 'pg_trigger'::regclass AND g.oid = d.objid
        WHERE NOT g.tgisinternal
        UNION ALL
        SELECT d.kind, d.name, 'function ' || d.objid::regprocedure, NULL, NULL, NULL
        FROM dependent AS d WHERE d.classid = 'pg_proc'::regclass
        UNION ALL
        SELECT d.kind, d.name, format('column %s.%I, which is generated from it', a.attrelid::regclass, a.attname),
               a.attrelid, a.attname::text, NULL
        FROM dependent AS d JOIN pg_attrdef AS f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
        JOIN pg_attribute AS a ON a.attrelid = f.adrelid AND a.attnum = f.adnum AND a.attgenerated <> ''
        WHERE d.kind IN ('column', 'function') AND d.name <> format('%s.%I', a.attrelid::regclass, a.attname)
        UNION ALL
        SELECT d.kind, d.name, format('foreign key %I of %s', k.conname, k.conrelid::regclass), NULL, NULL, NULL
        FROM dependent AS d JOIN pg_constraint AS k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
        WHERE k.contype = 'f' AND NOT EXISTS (SELECT FROM ours WHERE oid = k.conrelid)
          AND NOT EXISTS (SELECT FROM pg_class WHERE oid = k.conrelid AND relispartition)
        UNION ALL
        SELECT d.kind, d.name, format('check %I of %s', k.conname, k.conrelid::regclass), k.conrelid, NULL, NULL
        FROM dependent AS d JOIN pg_constraint AS k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
        WHERE k.contype = 'c' AND d.kind = 'function'
        UNION ALL
        SELECT d.kind, d.name, 'child table ' || h.inhrelid::regclass, h.inhrelid, NULL, NULL
        FROM dependent AS d JOIN pg_inherits AS h ON d.classid = 'pg_class'::regclass AND h.inhrelid = d.objid
        JOIN pg_class AS c ON c.oid = h.inhrelid AND c.relkind IN ('r', 'f') AND NOT c.relispartition
        WHERE d.kind = 'table' AND h.inhparent = d.target_oid
        UNION ALL
        SELECT d.kind, d.name, format('column %s.%I', a.attrelid::regclass, a.attname), a.attrelid,
               a.attname::text, NULL
        FROM dependent AS d JOIN pg_attribute AS a ON d.classid = 'pg_class'::regclass AND a.attrelid = d.objid
        AND a.attnum = d.objsubid AND d.objsubid > 0
        WHERE d.kind IN ('table', 'type')
        UNION ALL
        SELECT d.kind, d.name, 'type ' || d.objid::regtype, NULL, NULL, NULL
        FROM dependent AS d JOIN pg_type AS y ON d.classid = 'pg_type'::regclass AND y.oid = d.objid
        AND y.typtype IN ('d', 'r', 'c') WHERE d.kind = 'type'
        UNION ALL
        SELECT d.kind, d.name, format('publication %I', p.pubname), NULL, NULL, NULL
        FROM dependent AS d
        JOIN pg_publication_rel AS l ON d.classid = 'pg_publication_rel'::regclass AND l.oid = d.objid
        JOIN pg_publication AS p ON p.oid = l.prpubid WHERE d.kind = 'column'
        UNION ALL
        SELECT 'column', format('%I.%I', t.relname, a.attname), 'the partition key of ' || t.oid::regclass, t.oid,
               NULL, NULL
        FROM ours AS t JOIN pg_partitioned_table AS p ON p.partrelid = t.oid
        JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = ANY (p.partattrs::int2[])
    )
    SELECT DISTINCT found.kind, found.name, found.what, ours.relname::text AS "table", found."column", found.code
    FROM found LEFT JOIN ours ON ours.oid = found.relation
    ORDER BY found.kind, found.name, found.what
"""  # noqa: S608 - constants
