"""The queries of the catalogues, for PostgreSQL 14 and later."""


def owned_by_extension(catalogue: str, oid: str) -> str:
    """Return the SQL condition that an extension owns the object."""
    return (
        f"EXISTS (SELECT FROM pg_depend AS e WHERE e.classid = '{catalogue}'::regclass"
        f" AND e.objid = {oid} AND e.deptype = 'e')"
    )


def _columns_of(catalogue: str, oid: str) -> str:
    """Return SQL for the paths of the columns that an object depends on."""
    return (
        "ARRAY(SELECT DISTINCT format('%I.%I', r.relname, a.attname) FROM pg_depend AS d"  # noqa: S608 - constants
        " JOIN pg_class AS r ON r.oid = d.refobjid JOIN pg_attribute AS a ON a.attrelid = r.oid"
        f" AND a.attnum = d.refobjsubid WHERE d.classid = '{catalogue}'::regclass AND d.objid = {oid}"
        " AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0)"
    )


def _after_name(oid: str) -> str:
    """Return SQL for what follows the name in `CREATE [UNIQUE] INDEX name …`."""
    whole, name = f"pg_get_indexdef({oid}, 0, true)", "' ' || quote_ident(i.relname) || ' '"
    # For a partitioned table the server says ONLY, which would leave its partitions without the index.
    return f"regexp_replace(substr({whole}, strpos({whole}, {name}) + length({name})), '^ON ONLY ', 'ON ')"


_OPTIONS = """ARRAY[
    'INCREMENT BY ' || q.seqincrement, 'MINVALUE ' || q.seqmin, 'MAXVALUE ' || q.seqmax, 'START WITH ' || q.seqstart,
    'CACHE ' || q.seqcache, CASE WHEN q.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END]"""

# Partitions go with their tables.
OURS = f"""
    WITH ours AS (
        SELECT c.* FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = :schema AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname::text <> ALL (CAST(:without AS text[])) AND NOT {owned_by_extension("pg_class", "c.oid")}
    )
"""  # noqa: S608 - constants

TABLES = f"""{OURS}
    SELECT relname::text AS name, relkind = 'p' AS is_partitioned, pg_get_partkeydef(oid) AS partition_key,
           relpersistence = 'u' AS unlogged, relrowsecurity AS row_security, relforcerowsecurity AS forced_row_security,
           obj_description(oid, 'pg_class') AS comment,
           ARRAY(SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = oid) AS parents
    FROM ours
"""  # noqa: S608 - constants

COLUMNS = f"""{OURS}
    SELECT t.relname::text AS "table", a.attname::text AS name, format('%I.%I', t.relname, a.attname) AS path,
           a.attnum::int AS position, format_type(a.atttypid, a.atttypmod) AS type,
           format_type(a.atttypid, NULL) AS base, y.typcategory = 'S' AS is_string,
           CASE WHEN a.attcollation <> y.typcollation THEN a.attcollation::regcollation::text END AS collation,
           a.attnotnull AS not_null,
           (SELECT k.conname::text FROM pg_constraint AS k WHERE k.conrelid = t.oid AND k.contype = 'n'
            AND NOT k.convalidated AND k.conkey = ARRAY[a.attnum]) AS unvalidated,
           pg_get_expr(f.adbin, f.adrelid, true) AS expression,
           CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END AS identity,
           coalesce((SELECT {_OPTIONS} FROM pg_depend AS o JOIN pg_sequence AS q ON q.seqrelid = o.objid
            WHERE o.classid = 'pg_class'::regclass AND o.refclassid = 'pg_class'::regclass AND o.refobjid = t.oid
            AND o.refobjsubid = a.attnum AND o.deptype = 'i'), '{{}}') AS identity_options,
           CASE a.attgenerated WHEN 's' THEN 'STORED' WHEN 'v' THEN 'VIRTUAL' END AS generated,
           CASE WHEN a.attgenerated <> '' THEN {_columns_of("pg_attrdef", "f.oid")} ELSE '{{}}' END AS made_from,
           col_description(t.oid, a.attnum) AS comment
    FROM ours AS t
    JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type AS y ON y.oid = a.atttypid
    LEFT JOIN pg_attrdef AS f ON f.adrelid = t.oid AND f.adnum = a.attnum
    ORDER BY t.relname, a.attnum
"""  # noqa: S608 - constants

# Without NOT NULL ('n'), which PostgreSQL 18 has there, too, and which is compared with the columns.
CONSTRAINTS = f"""{OURS}
    SELECT t.relname::text AS "table", k.conname::text AS name, k.contype::text AS type,
           regexp_replace(pg_get_constraintdef(k.oid, true), ' NOT VALID$', '') AS definition, k.convalidated AS valid,
           NOT EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgconstraint = k.oid AND g.tgisinternal
                       AND g.tgenabled <> 'O') AS is_watched,
           concat(CASE WHEN k.condeferrable THEN ' DEFERRABLE' END,
                  CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' END) AS deferrable,
           {_columns_of("pg_constraint", "k.oid")} AS columns, i.relname::text AS index,
           CASE WHEN k.contype IN ('p', 'u') THEN {_after_name("i.oid")} END AS index_definition,
           (SELECT r.relname::text FROM pg_class AS r WHERE r.oid = k.confrelid) AS references
    FROM ours AS t
    JOIN pg_constraint AS k ON k.conrelid = t.oid AND k.contype IN ('p', 'u', 'f', 'c', 'x') AND k.conparentid = 0
    LEFT JOIN pg_class AS i ON i.oid = k.conindid
    ORDER BY t.relname, k.conname
"""  # noqa: S608 - constants

INDEXES = f"""{OURS}
    SELECT t.relname::text AS "table", i.relname::text AS name, x.indisunique AS unique,
           x.indisvalid AND x.indisready AS valid, {_after_name("i.oid")} AS definition,
           x.indexprs IS NULL AND x.indpred IS NULL AS is_plain, {_columns_of("pg_class", "i.oid")} AS columns
    FROM ours AS t
    JOIN pg_index AS x ON x.indrelid = t.oid
    JOIN pg_class AS i ON i.oid = x.indexrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x'))
    ORDER BY t.relname, i.relname
"""  # noqa: S608 - constants

# Without those of identity columns, which are compared with the columns, and of tables that are left out.
SEQUENCES = f"""
    SELECT s.relname::text AS name, format_type(q.seqtypid, NULL) AS type, {_OPTIONS} AS options,
           CASE WHEN a.attname IS NOT NULL THEN format('%I.%I', r.relname, a.attname) END AS owner,
           r.relname::text AS owner_table, a.attname::text AS owner_column
    FROM pg_class AS s
    JOIN pg_namespace AS n ON n.oid = s.relnamespace
    JOIN pg_sequence AS q ON q.seqrelid = s.oid
    LEFT JOIN pg_depend AS o ON o.classid = 'pg_class'::regclass AND o.objid = s.oid AND o.deptype IN ('a', 'i')
         AND o.refclassid = 'pg_class'::regclass
    LEFT JOIN pg_class AS r ON r.oid = o.refobjid
    LEFT JOIN pg_attribute AS a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid
    WHERE n.nspname = :schema AND o.deptype IS DISTINCT FROM 'i' AND NOT {owned_by_extension("pg_class", "s.oid")}
      AND coalesce(r.relname::text, '') <> ALL (CAST(:without AS text[]))
    ORDER BY s.relname
"""  # noqa: S608 - constants

ENUMS = f"""
    SELECT y.typname::text AS name, format_type(y.oid, NULL) AS type, ARRAY(
               SELECT l.enumlabel::text FROM pg_enum AS l WHERE l.enumtypid = y.oid ORDER BY l.enumsortorder
           ) AS labels
    FROM pg_type AS y
    JOIN pg_namespace AS n ON n.oid = y.typnamespace
    WHERE n.nspname = :schema AND y.typtype = 'e' AND NOT {owned_by_extension("pg_type", "y.oid")}
    ORDER BY y.typname
"""  # noqa: S608 - constants

# Without the one that every database has.
EXTENSIONS = "SELECT extname::text FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY extname"

# Context: i is implicit, and loses nothing; a is on assignment; e is only explicit.
CASTS = """
    SELECT format_type(castsource, NULL) AS source, format_type(casttarget, NULL) AS target,
           castcontext::text AS context
    FROM pg_cast
"""

# `schema` is where unqualified names are created.
PLACE = """
    SELECT current_schema()::text AS schema, current_setting('search_path') AS search_path,
           current_setting('transaction_isolation') AS isolation, pg_is_in_recovery() AS is_standby,
           current_setting('transaction_read_only')::boolean AS is_read_only,
           current_user::text AS role, current_database()::text AS database,
           has_database_privilege(current_database(), 'CREATE') AS may_create,
           has_database_privilege(current_database(), 'TEMPORARY') AS may_create_temporary
"""

PROBED_INDEX = f"""
    SELECT {_after_name("i.oid")} FROM pg_class AS i WHERE i.oid = 'drift_probe'::regclass
"""  # noqa: S608 - constants
PROBED_CONSTRAINT = "SELECT pg_get_constraintdef(oid, true) FROM pg_constraint WHERE conname = 'drift_probe'"
