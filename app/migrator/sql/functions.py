"""Which functions a query calls that may do anything."""

from collections.abc import Iterator, Sequence

from .cursor import Cursor
from .tokens import Word


def keywords(listed: str) -> frozenset[str]:
    """Return the keywords, which have blanks between them."""
    return frozenset(listed.split())


# The server's own functions that a revision may well call; an aggregate reads rows.
HARMLESS_FUNCTIONS = keywords(
    # Texts.
    " ASCII BIT_LENGTH BTRIM CHAR_LENGTH CHARACTER_LENGTH CHR CONCAT CONCAT_WS CONVERT_FROM CONVERT_TO DECODE"
    " ENCODE FORMAT INITCAP LEFT LENGTH LOWER LPAD LTRIM MD5 NORMALIZE OCTET_LENGTH QUOTE_IDENT QUOTE_LITERAL"
    " QUOTE_NULLABLE REGEXP_COUNT REGEXP_INSTR REGEXP_LIKE REGEXP_MATCH REGEXP_MATCHES REGEXP_REPLACE"
    " REGEXP_SPLIT_TO_ARRAY REGEXP_SPLIT_TO_TABLE REGEXP_SUBSTR REPEAT REPLACE REVERSE RIGHT RPAD RTRIM SHA224"
    " SHA256 SHA384 SHA512 SPLIT_PART STARTS_WITH STRING_TO_ARRAY STRING_TO_TABLE STRPOS SUBSTR TO_CHAR TO_HEX"
    " TRANSLATE UPPER"
    # Numbers.
    " ABS CBRT CEIL CEILING DIV EXP FLOOR LN LOG MOD POWER RANDOM ROUND SIGN SQRT TO_NUMBER TRUNC WIDTH_BUCKET"
    # Dates and ids.
    " AGE CLOCK_TIMESTAMP DATE_ADD DATE_BIN DATE_PART DATE_SUBTRACT DATE_TRUNC GEN_RANDOM_UUID ISFINITE JUSTIFY_DAYS"
    " JUSTIFY_HOURS MAKE_DATE MAKE_INTERVAL MAKE_TIME MAKE_TIMESTAMP MAKE_TIMESTAMPTZ NOW STATEMENT_TIMESTAMP"
    " TIMEOFDAY TO_DATE TO_TIMESTAMP TRANSACTION_TIMESTAMP UUIDV4 UUIDV7"
    # JSON and arrays.
    " ARRAY_APPEND ARRAY_CAT ARRAY_DIMS ARRAY_FILL ARRAY_LENGTH ARRAY_LOWER ARRAY_NDIMS ARRAY_POSITION"
    " ARRAY_POSITIONS ARRAY_PREPEND ARRAY_REMOVE ARRAY_REPLACE ARRAY_REVERSE ARRAY_SORT ARRAY_TO_JSON"
    " ARRAY_TO_STRING ARRAY_TO_TSVECTOR ARRAY_UPPER CARDINALITY JSONB_ARRAY_ELEMENTS JSONB_ARRAY_ELEMENTS_TEXT"
    " JSONB_ARRAY_LENGTH JSONB_BUILD_ARRAY JSONB_BUILD_OBJECT JSONB_CONTAINS JSONB_EACH JSONB_EACH_TEXT"
    " JSONB_EXISTS JSONB_EXISTS_ALL JSONB_EXISTS_ANY JSONB_EXTRACT_PATH JSONB_EXTRACT_PATH_TEXT JSONB_INSERT"
    " JSONB_OBJECT JSONB_OBJECT_KEYS JSONB_PATH_EXISTS JSONB_PATH_EXISTS_TZ JSONB_PATH_MATCH JSONB_PATH_MATCH_TZ"
    " JSONB_PATH_QUERY JSONB_PATH_QUERY_ARRAY JSONB_PATH_QUERY_ARRAY_TZ JSONB_PATH_QUERY_FIRST"
    " JSONB_PATH_QUERY_FIRST_TZ JSONB_PATH_QUERY_TZ JSONB_POPULATE_RECORD JSONB_POPULATE_RECORDSET"
    " JSONB_POPULATE_RECORD_VALID JSONB_PRETTY JSONB_SET JSONB_SET_LAX JSONB_STRIP_NULLS JSONB_TO_RECORD"
    " JSONB_TO_RECORDSET JSONB_TO_TSVECTOR JSONB_TYPEOF JSON_ARRAY_ELEMENTS JSON_ARRAY_ELEMENTS_TEXT"
    " JSON_ARRAY_LENGTH JSON_BUILD_ARRAY JSON_BUILD_OBJECT JSON_EACH JSON_EACH_TEXT JSON_EXTRACT_PATH JSON_OBJECT"
    " JSON_OBJECT_KEYS JSON_POPULATE_RECORD JSON_POPULATE_RECORDSET JSON_STRIP_NULLS JSON_TO_RECORD"
    " JSON_TO_RECORDSET JSON_TO_TSVECTOR JSON_TYPEOF ROW_TO_JSON TO_JSON TO_JSONB UNNEST"
    # Search.
    " PLAINTO_TSQUERY SETWEIGHT TO_TSQUERY TO_TSVECTOR TS_RANK WEBSEARCH_TO_TSQUERY"
    # Aggregates and windows.
    " ARRAY_AGG AVG BOOL_AND BOOL_OR COUNT DENSE_RANK EVERY FIRST_VALUE JSONB_AGG JSONB_AGG_STRICT"
    " JSONB_OBJECT_AGG JSONB_OBJECT_AGG_STRICT JSONB_OBJECT_AGG_UNIQUE JSONB_OBJECT_AGG_UNIQUE_STRICT JSON_AGG"
    " JSON_AGG_STRICT JSON_OBJECT_AGG JSON_OBJECT_AGG_STRICT JSON_OBJECT_AGG_UNIQUE JSON_OBJECT_AGG_UNIQUE_STRICT"
    " LAG LAST_VALUE LEAD MAX MIN NTH_VALUE NTILE PERCENT_RANK RANK ROW_NUMBER STRING_AGG SUM"
    # Sequences, the session and the catalogue.
    " CURRENT_DATABASE CURRENT_SCHEMA CURRENT_SETTING CURRVAL GENERATE_SERIES LASTVAL NEXTVAL"
    " PG_ADVISORY_XACT_LOCK PG_COLUMN_SIZE PG_GET_SERIAL_SEQUENCE PG_NOTIFY PG_SLEEP PG_TYPEOF SETVAL SET_CONFIG"
    " TO_REGCLASS TO_REGTYPE VERSION"
)
# Keywords before a parenthesis that calls nothing.
_NO_FUNCTIONS = keywords(
    "ALL AND ANY ARRAY AS BETWEEN BY CASE CAST COALESCE CONFLICT CUBE DISTINCT ELSE EXCEPT EXISTS EXTRACT FROM GREATEST"
    " GROUPING HAVING IN INSERT INTERSECT INTERVAL JOIN LATERAL LEAST LIMIT MATERIALIZED NOT NULLIF OFFSET ON OR ORDER"
    " OVER OVERLAY POSITION ROLLUP ROW SELECT SET SETS SOME SUBSTRING THEN TRIM UNION UPDATE USING VALUES WHEN WHERE"
)
# Words and signs before a name that is called if a parenthesis follows it.
_BEFORE_CALL = keywords(
    "SELECT FROM JOIN LATERAL ALL DISTINCT WHERE HAVING AND OR NOT WHEN THEN ELSE CASE BY ON IN LIMIT OFFSET VALUES"
    " RETURNING VARIADIC IS ROWS BETWEEN LIKE ILIKE SIMILAR TO SYMMETRIC ASYMMETRIC ESCAPE ZONE USING PLACING RANGE"
    " GROUPS FOR"
) | frozenset({"(", "[", ","})
_OPERATOR_SIGNS = frozenset("-+*/<>=~!@#%^&|`?")


def opaque_calls(words: Sequence[Word]) -> Iterator[str]:
    """Yield the functions that a query calls and that are not known to be harmless."""
    for position in _starts(words):
        cursor = Cursor(words[position:])
        name = cursor.name()
        # WITH …, name (column) AS (…) calls nothing.
        if not cursor.comes("(") or (words[position - 1].keyword == "," and _names_query(cursor)):
            continue
        if name.upper() not in HARMLESS_FUNCTIONS:
            yield name


def _starts(words: Sequence[Word]) -> Iterator[int]:
    """Yield the places of the names before a parenthesis that may be those of functions, where their names begin."""
    opened: list[int] = []
    is_expression_next = False
    for position, word in enumerate(words):
        if position and is_expression_next and word.is_name and word.keyword not in _NO_FUNCTIONS:
            yield position
        if word.keyword == "(":
            opened.append(position)
        is_expression_next = _may_precede_call(word)
        if word.keyword == ")" and opened:
            # DISTINCT ON (…) call(), OPERATOR(schema.+) call()
            before = [each.keyword for each in words[max(opened.pop() - 2, 0) : position]][:2]
            is_expression_next = before == ["DISTINCT", "ON"] or before[1:] == ["OPERATOR"]


def _may_precede_call(word: Word) -> bool:
    is_operator = not word.is_name and not word.literal and word.text[0] in _OPERATOR_SIGNS
    return is_operator or word.keyword in _BEFORE_CALL


def _names_query(cursor: Cursor) -> bool:
    rest = Cursor(cursor.left)
    rest.group()
    return rest.comes("AS", "(") or rest.comes("AS", "MATERIALIZED") or rest.comes("AS", "NOT")
