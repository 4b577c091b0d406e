"""What statements do according to PostgreSQL's own grammar: the oracle of `app/migrator/sql`.

It shares no code with the reader but the kinds of effects and the list of harmless functions, and reads the tree that
the server's parser makes.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import postgast
from google.protobuf.json_format import MessageToDict

from app.migrator.sql.effect import Effect, Kind
from app.migrator.sql.functions import HARMLESS_FUNCTIONS

# A node of the tree: names of fields as libpg_query has them, what is empty or zero left out.
Node = dict[str, Any]
# Reads what an action of ALTER TABLE does to the table.
Action = Callable[[str, Node], Iterable[Effect]]


def effects_by_grammar(sql: str) -> list[list[Effect]]:
    """Return what each statement does. Raises postgast.PgQueryError for what is no SQL."""
    return [list(_statement(raw["stmt"])) for raw in _statements(sql)]


def _statements(sql: str) -> list[Node]:
    found: list[Node] = MessageToDict(postgast.parse(sql), preserving_proto_field_name=True).get("stmts", [])
    return found


def concurrency_by_grammar(sql: str) -> list[bool]:
    """Return whether each statement works CONCURRENTLY, outside of a transaction or under a weaker lock."""
    return [_is_concurrent(raw) for raw in _statements(sql)]


def _is_concurrent(node: Any) -> bool:
    match node:
        case {"concurrent": True}:
            return True
        case {"reindex_stmt": {"params": options}}:
            return any(each["def_elem"]["defname"] == "concurrently" for each in options)
        case dict():
            return any(map(_is_concurrent, node.values()))
        case list():
            return any(map(_is_concurrent, node))
    return False


def _statement(wrapped: Node) -> Iterator[Effect]:
    ((kind, node),) = wrapped.items()
    if kind in _STATEMENTS:
        yield from _STATEMENTS[kind](node)
    elif kind in _OPAQUE:
        yield Effect(Kind.OPAQUE, _OPAQUE[kind])
    elif kind in _CREATED:
        field = _CREATED[kind]
        if not node.get("replace"):
            may_exist = bool(node.get("if_not_exists") or node.get("missing_ok"))
            yield Effect(Kind.CREATE_OTHER, _any_name(node[field]), may_exist=may_exist)
    elif kind in _DROPPED:
        for name in _DROPPED[kind](node):
            yield Effect(Kind.DROP_OTHER, name)
    else:
        assert kind in _NOTHING or kind.startswith("alter_"), f"The oracle does not know {kind}."


def _table(relation: Node) -> str:
    return _name([relation.get("schemaname", ""), relation["relname"]])


def _name(parts: list[str]) -> str:
    *schemas, name = parts
    schema = schemas[-1] if schemas else ""
    shown = f'"{name}"' if "." in name else name
    if schema in {"", "public", "pg_catalog"}:
        return shown
    return f'"{schema}".{shown}' if "." in schema else f"{schema}.{shown}"


def _any_name(value: Any) -> str:
    """Return the name in whatever the grammar keeps it."""
    match value:
        case str():
            return _name([value])
        case list():
            return _name([_string(part) for part in value])
        case {"relname": _}:
            return _table(value)
        case {"object_with_args": {"objname": parts}} | {"objname": parts}:
            return _any_name(parts)
        case {"type_name": {"names": parts}} | {"names": parts}:
            return _any_name(parts)
        case {"list": {"items": parts}}:
            return _any_name(parts)
        case {"string": {"sval": name}}:
            return _name([name])
        case {"rolename": name}:
            return _name([name])
        case {"roletype": role}:
            return str(role).removeprefix("ROLESPEC_").lower()
    raise AssertionError(value)


def _string(node: Node) -> str:
    return str(node["string"].get("sval", ""))


def _create_table(node: Node) -> Iterator[Effect]:
    base = node.get("base_stmt", node)
    may_exist = base.get("if_not_exists", False) or base["relation"]["relpersistence"] == "t"
    table = _table(base["relation"])
    is_plain = "partbound" not in base and "of_typename" not in base
    columns = tuple(dict.fromkeys(_required(base.get("table_elts", [])))) if is_plain else ()
    yield Effect(Kind.CREATE_TABLE, table, columns=columns, may_exist=may_exist)
    if "partbound" in base:
        yield Effect(Kind.CREATE_PARTITION, _table(base["inh_relations"][0]["range_var"]))
    if "partspec" in base:
        yield Effect(Kind.PARTITION_TABLE, table)


_REQUIRED = {"CONSTR_NOTNULL", "CONSTR_PRIMARY", "CONSTR_IDENTITY"}


def _required(elements: list[Node]) -> Iterator[str]:
    """Yield the columns that are NOT NULL."""
    for element in elements:
        match element:
            case {"column_def": column}:
                kinds = {each["constraint"]["contype"] for each in column.get("constraints", [])}
                if kinds & _REQUIRED or _type_name(column) in _SERIAL:
                    yield column["colname"]
            case {"constraint": {"contype": "CONSTR_PRIMARY" | "CONSTR_NOTNULL", "keys": keys}}:
                yield from map(_string, keys)


def _type_name(column: Node) -> str:
    return _string(column["type_name"]["names"][-1])


def _create_table_as(node: Node) -> Iterator[Effect]:
    relation = node["into"]["rel"]
    if node["objtype"] == "OBJECT_MATVIEW":
        yield Effect(Kind.CREATE_OTHER, _table(relation), may_exist=node.get("if_not_exists", False))
        if not node["into"].get("skip_data"):
            yield from _statement(node["query"])
    else:
        may_exist = node.get("if_not_exists", False) or relation["relpersistence"] == "t"
        yield Effect(Kind.CREATE_TABLE, _table(relation), may_exist=may_exist)
        yield from _statement(node["query"])


def _create_schema(node: Node) -> Iterator[Effect]:
    name = _any_name(node.get("schemaname") or node["authrole"])
    yield Effect(Kind.CREATE_OTHER, name, may_exist=node.get("if_not_exists", False))


def _create_index(node: Node) -> Iterator[Effect]:
    schema = node["relation"].get("schemaname", "")
    parts = [part["index_elem"] for part in node["index_params"]]
    columns = tuple(part.get("name", "") for part in parts)
    is_plain = all(columns) and not node.get("nulls_not_distinct")
    name = node.get("idxname")
    yield Effect(
        Kind.ADD_UNIQUE_INDEX if node.get("unique") else Kind.ADD_INDEX,
        _table(node["relation"]),
        name=_name([schema, name]) if name else "",
        columns=columns if is_plain else (),
    )


def _drop(node: Node) -> Iterator[Effect]:
    kind = node["remove_type"]
    for item in node["objects"]:
        if kind == "OBJECT_INDEX":
            yield Effect(Kind.DROP_INDEX, "", name=_any_name(item))
        elif kind in {"OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"}:
            yield Effect(Kind.DROP_TABLE, _any_name(item))
        elif kind in {"OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY"}:
            yield Effect(Kind.DROP_OTHER, _any_name(item["list"]["items"][-1]))
        elif kind in {"OBJECT_OPCLASS", "OBJECT_OPFAMILY"}:
            yield Effect(Kind.DROP_OTHER, _any_name({"list": {"items": item["list"]["items"][1:]}}))
        elif kind == "OBJECT_CAST":
            source, target = (_any_name(each) for each in item["list"]["items"])
            yield Effect(Kind.DROP_OTHER, f"{source} as {target}")
        elif kind == "OBJECT_TRANSFORM":
            yield Effect(Kind.DROP_OTHER, _any_name(item["list"]["items"][0]))
        elif kind != "OBJECT_STATISTIC_EXT":
            yield Effect(Kind.DROP_OTHER, _any_name(item))


def _alter_table(node: Node) -> Iterator[Effect]:
    table = _table(node["relation"])
    for command in node["cmds"]:
        action = command["alter_table_cmd"] | {"relname": node["relation"]["relname"]}
        subtype = action["subtype"]
        match node["objtype"]:
            case "OBJECT_TABLE" | "OBJECT_FOREIGN_TABLE":
                yield from _ACTIONS[subtype](table, action) if subtype in _ACTIONS else ()
            case "OBJECT_INDEX" | "OBJECT_MATVIEW" if subtype in _REWRITES:
                yield Effect(Kind.REWRITE, table)
            case "OBJECT_TYPE" if subtype in {"AT_DropColumn", "AT_AlterColumnType"}:
                yield from _ACTIONS[subtype](table, action)


def _column_action(kind: Kind) -> Action:
    return lambda table, action: [Effect(kind, table, action["name"])]


def _constraint_action(kind: Kind) -> Action:
    return lambda table, action: [Effect(kind, table, name=action["name"])]


def _default(table: str, action: Node) -> Iterator[Effect]:
    kind = Kind.DROP_DEFAULT if _is_null(action.get("def")) else Kind.SET_DEFAULT
    yield Effect(kind, table, action["name"])


def _is_null(expression: Node | None) -> bool:
    """Whether an expression is the constant NULL, perhaps of a type; a DEFAULT of it is none."""
    match expression:
        case None | {"a_const": {"isnull": True}}:
            return True
        case {"type_cast": {"arg": inner}}:
            return _is_null(inner)
    return False


def _add_column(table: str, action: Node) -> Iterator[Effect]:
    column = action["def"]["column_def"]
    name = column["colname"]
    constraints = [each["constraint"] for each in column.get("constraints", [])]
    kinds = {each["contype"] for each in constraints}
    yield Effect(Kind.ADD_COLUMN, table, name, may_exist=action.get("missing_ok", False))
    is_stored = any(each.get("generated_kind") == "s" for each in constraints)
    if is_stored or "CONSTR_IDENTITY" in kinds or _type_name(column) in _SERIAL:
        yield Effect(Kind.REWRITE, table, name)
    has_default = any(each["contype"] == "CONSTR_DEFAULT" and not _is_null(each["raw_expr"]) for each in constraints)
    if has_default or kinds & {"CONSTR_IDENTITY", "CONSTR_GENERATED"} or _type_name(column) in _SERIAL:
        yield Effect(Kind.SET_DEFAULT, table, name)
    if kinds & {"CONSTR_NOTNULL", "CONSTR_PRIMARY"}:
        yield Effect(Kind.SET_NOT_NULL, table, name)
    for each, after in pairwise([*constraints, {"contype": ""}]):
        if each["contype"] == "CONSTR_CHECK":
            if after["contype"] == "CONSTR_ATTR_NOT_ENFORCED":
                yield Effect(Kind.ADD_CONSTRAINT, table, name=each.get("conname", ""))
                continue
            effect = _check(table, each | {"relname": action["relname"]})
            yield from (effect, Effect(Kind.VALIDATE, table, name=effect.name))
        elif each["contype"] in {"CONSTR_UNIQUE", "CONSTR_FOREIGN"}:
            columns = () if each.get("nulls_not_distinct") else (name,)
            yield Effect(Kind.ADD_CONSTRAINT, table, name=each.get("conname", ""), columns=columns)


def _add_constraint(table: str, action: Node) -> Iterator[Effect]:
    constraint = action["def"]["constraint"] | {"relname": action["relname"]}
    if index := constraint.get("indexname"):
        if constraint["contype"] == "CONSTR_PRIMARY":
            schema = table.rpartition(".")[0] if table != action["relname"] else ""
            yield Effect(Kind.USE_INDEX, table, name=f"{schema}.{index}" if schema else index)
        return
    if constraint["contype"] in {"CONSTR_CHECK", "CONSTR_FOREIGN"} and not constraint.get("is_enforced"):
        yield Effect(Kind.ADD_CONSTRAINT, table, name=constraint.get("conname", ""))
        return
    effect = _constraint(table, constraint)
    yield effect
    if not constraint.get("skip_validation"):
        yield Effect(Kind.VALIDATE, table, name=effect.name)


def _constraint(table: str, constraint: Node) -> Effect:
    name = constraint.get("conname", "")
    match constraint["contype"]:
        case "CONSTR_CHECK":
            return _check(table, constraint)
        case "CONSTR_NOTNULL":
            return _not_null(table, constraint, _string(constraint["keys"][0]), "not_null")
        case "CONSTR_FOREIGN":
            columns = constraint["fk_attrs"]
        case "CONSTR_PRIMARY" | "CONSTR_UNIQUE" if not constraint.get("nulls_not_distinct"):
            columns = constraint["keys"]
        case _:
            columns = []
    return Effect(Kind.ADD_CONSTRAINT, table, name=name, columns=tuple(_string(column) for column in columns))


def _check(table: str, constraint: Node) -> Effect:
    name = constraint.get("conname", "")
    condition = constraint["raw_expr"]
    match condition:
        case {"null_test": {"arg": {"column_ref": {"fields": [field]}}, "nulltesttype": "IS_NOT_NULL"}}:
            return _not_null(table, constraint, _string(field), "check")
    columns = tuple(dict.fromkeys(_columns(condition))) if _is_null_for_nulls(condition) else ()
    return Effect(Kind.ADD_CONSTRAINT, table, name=name, columns=columns)


def _not_null(table: str, constraint: Node, column: str, suffix: str) -> Effect:
    name = constraint.get("conname") or f"{constraint['relname']}_{column}_{suffix}"
    return Effect(Kind.ADD_NOT_NULL_CHECK, table, column, name=name)


def _is_null_for_nulls(expression: Node) -> bool:
    """Whether the expression is surely NULL, or true, where all of its columns are NULL."""
    match expression:
        case {"column_ref": {"fields": [{"string": _}]}}:
            return True
        case {"bool_expr": {"boolop": "OR_EXPR", "args": arguments}}:
            return any(_is_null_for_nulls(each) for each in arguments)
        case {"bool_expr": {"args": arguments}}:
            return all(_is_null_for_nulls(each) for each in arguments)
        case {"a_expr": {"kind": "AEXPR_OP", "name": [{"string": {"sval": operator}}]}} if operator in _STRICT:
            operands = [expression["a_expr"][side] for side in ("lexpr", "rexpr") if side in expression["a_expr"]]
            return any(_is_null_for_nulls(each) for each in operands)
        case {"a_expr": {"kind": kind, "lexpr": left}} if kind in _STRICT_LEFT:
            return _is_null_for_nulls(left)
        case {"func_call": {"funcname": [{"string": {"sval": name}}], "args": arguments}} if name in _STRICT_FUNCTIONS:
            return any(_is_null_for_nulls(each) for each in arguments)
        case {"type_cast": {"arg": inner}} | {"collate_clause": {"arg": inner}}:
            return _is_null_for_nulls(inner)
    return False


def _columns(node: Any) -> Iterator[str]:
    """Yield the columns that an expression names, in its order."""
    if isinstance(node, list):
        for each in node:
            yield from _columns(each)
    elif isinstance(node, dict):
        for field, value in node.items():
            if field == "column_ref":
                yield _string(value["fields"][-1])
            else:
                yield from _columns(value)


def _rename(node: Node) -> Iterator[Effect]:
    new = node["newname"]
    relation = node.get("relation")
    table = _table(relation) if relation else _any_name(node.get("object", node.get("subname", "")))
    is_table = node.get("relation_type") in {"OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"}
    beside = _name([relation.get("schemaname", "") if relation else "", new])
    match node["rename_type"]:
        case "OBJECT_TABLE" | "OBJECT_FOREIGN_TABLE":
            yield Effect(Kind.RENAME_TABLE, table, renamed_to=beside)
        case "OBJECT_COLUMN" if is_table:
            yield Effect(Kind.RENAME_COLUMN, table, node["subname"], renamed_to=new)
        case "OBJECT_TABCONSTRAINT":
            yield Effect(Kind.RENAME_CONSTRAINT, table, name=node["subname"], renamed_to=new)
        case "OBJECT_INDEX":
            yield Effect(Kind.RENAME_INDEX, "", name=table, renamed_to=beside)
        case "OBJECT_STATISTIC_EXT":
            return
        case "OBJECT_TRIGGER" | "OBJECT_RULE" | "OBJECT_POLICY":
            yield Effect(Kind.RENAME_OTHER, node["subname"], renamed_to=new)
        case _:
            yield Effect(Kind.RENAME_OTHER, table, renamed_to=new)


def _set_schema(node: Node) -> Iterator[Effect]:
    new = node["newschema"]
    if node["object_type"] in {"OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"}:
        name = node["relation"]["relname"]
        yield Effect(Kind.RENAME_TABLE, _table(node["relation"]), renamed_to=_name([new, name]))
    elif node["object_type"] != "OBJECT_STATISTIC_EXT":
        yield Effect(Kind.RENAME_OTHER, _any_name(node.get("relation") or node["object"]), renamed_to=new)


def _alter_enum(node: Node) -> Iterator[Effect]:
    if "old_val" in node:
        yield Effect(Kind.RENAME_OTHER, _any_name(node["type_name"]), renamed_to=node["new_val"])


def _alter_domain(node: Node) -> Iterator[Effect]:
    kind = _DOMAIN.get(node["subtype"])
    if node["subtype"] == "T":
        kind = None if "def" in node else Kind.DROP_DEFAULT
    if kind:
        yield Effect(kind, _any_name(node["type_name"]))


# From SHARE on a mode stops writes; these are the numbers of the server's lock modes.
_SHARE, _ACCESS_EXCLUSIVE = 5, 8


def _lock(node: Node) -> Iterator[Effect]:
    if _SHARE <= node["mode"] <= _ACCESS_EXCLUSIVE:
        yield from (Effect(Kind.LOCK, _table(each["range_var"])) for each in node["relations"])


def _vacuum(node: Node) -> Iterator[Effect]:
    options = [each["def_elem"] for each in node.get("options", [])]
    is_full = any(each["defname"] == "full" and _is_on(each) for each in options)
    if node.get("is_vacuumcmd") and is_full:
        tables = [_table(each["vacuum_relation"]["relation"]) for each in node.get("rels", [])]
        yield from (Effect(Kind.REWRITE, table) for table in tables or ["every table"])


def _is_on(option: Node) -> bool:
    match option.get("arg"):
        case None:
            return True
        case {"boolean": value}:
            return bool(value.get("boolval"))
        case {"integer": value}:
            return bool(value.get("ival"))
        case {"string": {"sval": text}}:
            return text.lower() in {"true", "on", "1"}
    raise AssertionError(option)


def _refresh(node: Node) -> Iterator[Effect]:
    if not node.get("concurrent"):
        yield Effect(Kind.REWRITE, _table(node["relation"]))


def _set(node: Node) -> Iterator[Effect]:
    if node.get("name") == "search_path" and node["kind"] != "VAR_RESET":
        yield Effect(Kind.OPAQUE, "SET search_path")


def _rows(node: Node, own: Iterable[Effect] = ()) -> Iterator[Effect]:
    """Yield the functions that a statement calls, what the WITH queries do, and then `own`."""
    for name, arguments in _called(node):
        if name.upper() not in HARMLESS_FUNCTIONS:
            yield Effect(Kind.OPAQUE, name)
        elif name == "set_config" and _is_search_path(arguments):
            yield Effect(Kind.OPAQUE, "SET search_path")
    for each in node.get("with_clause", {}).get("ctes", []):
        yield from _query(each["common_table_expr"]["ctequery"])
    yield from own


def _query(wrapped: Node) -> Iterator[Effect]:
    """Yield what a query within a statement does to rows."""
    ((kind, node),) = wrapped.items()
    yield from _select(node) if kind == "select_stmt" else _STATEMENTS[kind](node)


def _insert(node: Node) -> Iterator[Effect]:
    source = node.get("select_stmt", {}).get("select_stmt", {})
    updates = node.get("on_conflict_clause", {}).get("action") == "ONCONFLICT_UPDATE"
    # What the source calls is found with the whole.
    inner = list(_rows({"with_clause": source["with_clause"]})) if "with_clause" in source else []
    yield from _rows(node, [*inner, *([Effect(Kind.UPDATE, _table(node["relation"]))] if updates else [])])


def _merge(node: Node) -> Iterator[Effect]:
    table = _table(node["relation"])
    commands = {each["merge_when_clause"]["command_type"] for each in node["merge_when_clauses"]}
    own = [Effect(kind, table) for command, kind in _MERGED.items() if command in commands]
    yield from _rows(node, own)


def _select(node: Node) -> Iterator[Effect]:
    yield from _rows(node)
    if "into_clause" in node:
        relation = node["into_clause"]["rel"]
        yield Effect(Kind.CREATE_TABLE, _table(relation), may_exist=relation["relpersistence"] == "t")


def _is_search_path(arguments: list[Node]) -> bool:
    match arguments:
        case [{"a_const": {"sval": {"sval": "search_path"}}}, {"a_const": _} | {"column_ref": _}, _]:
            return True
    return False


def _called(node: Any) -> Iterator[tuple[str, list[Node]]]:
    """Yield the functions that are called, with their arguments, but for those of WITH."""
    if isinstance(node, list):
        for each in node:
            yield from _called(each)
    elif isinstance(node, dict):
        for field, value in node.items():
            if field == "with_clause":
                continue
            if field == "func_call" and value.get("funcformat") != "COERCE_SQL_SYNTAX":
                yield _any_name(value["funcname"]), value.get("args", [])
            yield from _called(value)


def _copy(node: Node) -> Iterator[Effect]:
    if "query" in node:
        yield from _query(node["query"])


def _roles(node: Node) -> list[str]:
    return [_any_name(each["role_spec"]) for each in node["roles"]]


def _create_cast(node: Node) -> Iterator[Effect]:
    name = f"{_any_name(node['sourcetype'])} as {_any_name(node['targettype'])}"
    yield Effect(Kind.CREATE_OTHER, name)


def _transaction(node: Node) -> Iterator[Effect]:
    if node["kind"] == "TRANS_STMT_PREPARE":
        yield Effect(Kind.OPAQUE, "PREPARE")


_SERIAL = {"serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"}
_REWRITES = {"AT_SetLogged", "AT_SetUnLogged", "AT_SetAccessMethod", "AT_SetTableSpace"}
_STRICT = {"=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "~", "~*", "!~", "!~*", "~~"}
_STRICT_LEFT = {"AEXPR_IN", "AEXPR_LIKE", "AEXPR_ILIKE", "AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN"}
_STRICT_FUNCTIONS = {"length", "char_length", "octet_length", "lower", "upper", "btrim", "jsonb_typeof"}
_MERGED = {"CMD_UPDATE": Kind.UPDATE, "CMD_DELETE": Kind.DELETE}
_DOMAIN = {"N": Kind.DROP_NOT_NULL, "O": Kind.SET_NOT_NULL, "C": Kind.ADD_CONSTRAINT, "X": Kind.DROP_CONSTRAINT}
_ACTIONS: dict[str, Action] = {
    "AT_AddColumn": _add_column,
    "AT_DropColumn": _column_action(Kind.DROP_COLUMN),
    "AT_AlterColumnType": _column_action(Kind.CHANGE_TYPE),
    "AT_SetNotNull": _column_action(Kind.SET_NOT_NULL),
    "AT_DropNotNull": _column_action(Kind.DROP_NOT_NULL),
    "AT_ColumnDefault": _default,
    "AT_AddIdentity": _column_action(Kind.SET_DEFAULT),
    "AT_DropIdentity": _column_action(Kind.DROP_DEFAULT),
    "AT_DropExpression": _column_action(Kind.DROP_DEFAULT),
    "AT_SetExpression": _column_action(Kind.REWRITE),
    "AT_AddConstraint": _add_constraint,
    "AT_DropConstraint": _constraint_action(Kind.DROP_CONSTRAINT),
    "AT_ValidateConstraint": _constraint_action(Kind.VALIDATE),
    "AT_AlterConstraint": lambda table, action: [
        Effect(Kind.ALTER_CONSTRAINT, table, name=action["def"]["atalter_constraint"]["conname"])
    ],
    "AT_AttachPartition": lambda _, action: [
        Effect(Kind.ATTACH_PARTITION, _table(action["def"]["partition_cmd"]["name"]))
    ],
    **dict.fromkeys(_REWRITES, lambda table, _: [Effect(Kind.REWRITE, table)]),
}
_STATEMENTS: dict[str, Callable[[Node], Iterable[Effect]]] = {
    "alter_domain_stmt": _alter_domain,
    "alter_enum_stmt": _alter_enum,
    "alter_object_schema_stmt": _set_schema,
    "alter_table_move_all_stmt": lambda node: [Effect(Kind.REWRITE, "all")],
    "alter_table_stmt": _alter_table,
    "cluster_stmt": lambda node: [
        Effect(Kind.REWRITE, _table(node["relation"]) if "relation" in node else "every table")
    ],
    "copy_stmt": _copy,
    "create_cast_stmt": _create_cast,
    "create_foreign_table_stmt": _create_table,
    "create_schema_stmt": _create_schema,
    "create_stmt": _create_table,
    "create_table_as_stmt": _create_table_as,
    "create_trig_stmt": lambda node: [Effect(Kind.CREATE_TRIGGER, _table(node["relation"]), name=node["trigname"])],
    "delete_stmt": lambda node: _rows(node, [Effect(Kind.DELETE, _table(node["relation"]))]),
    "drop_stmt": _drop,
    "explain_stmt": lambda node: _statement(node["query"]),
    "fetch_stmt": lambda node: [Effect(Kind.OPAQUE, "MOVE" if node.get("ismove") else "FETCH")],
    "index_stmt": _create_index,
    "insert_stmt": _insert,
    "lock_stmt": _lock,
    "merge_stmt": _merge,
    "refresh_mat_view_stmt": _refresh,
    "rename_stmt": _rename,
    "select_stmt": _select,
    "transaction_stmt": _transaction,
    "truncate_stmt": lambda node: [Effect(Kind.TRUNCATE, _table(each["range_var"])) for each in node["relations"]],
    "update_stmt": lambda node: _rows(node, [Effect(Kind.UPDATE, _table(node["relation"]))]),
    "vacuum_stmt": _vacuum,
    "variable_set_stmt": _set,
}
_OPAQUE = {
    "call_stmt": "CALL",
    "close_portal_stmt": "CLOSE",
    "deallocate_stmt": "DEALLOCATE",
    "declare_cursor_stmt": "DECLARE",
    "do_stmt": "DO",
    "execute_stmt": "EXECUTE",
    "import_foreign_schema_stmt": "IMPORT",
    "load_stmt": "LOAD",
    "prepare_stmt": "PREPARE",
    "rule_stmt": "RULE",
}
# Statement -> where the new object's name is.
_CREATED = {
    "composite_type_stmt": "typevar",
    "create_am_stmt": "amname",
    "create_conversion_stmt": "conversion_name",
    "create_domain_stmt": "domainname",
    "create_enum_stmt": "type_name",
    "create_event_trig_stmt": "trigname",
    "create_extension_stmt": "extname",
    "create_fdw_stmt": "fdwname",
    "create_foreign_server_stmt": "servername",
    "create_function_stmt": "funcname",
    "create_op_class_stmt": "opclassname",
    "create_op_family_stmt": "opfamilyname",
    "create_plang_stmt": "plname",
    "create_policy_stmt": "policy_name",
    "create_publication_stmt": "pubname",
    "create_range_stmt": "type_name",
    "create_role_stmt": "role",
    "create_seq_stmt": "sequence",
    "create_stats_stmt": "defnames",
    "create_subscription_stmt": "subname",
    "create_table_space_stmt": "tablespacename",
    "create_transform_stmt": "type_name",
    "create_user_mapping_stmt": "user",
    "createdb_stmt": "dbname",
    "define_stmt": "defnames",
    "view_stmt": "view",
}
_DROPPED: dict[str, Callable[[Node], Iterable[str]]] = {
    "drop_owned_stmt": _roles,
    "drop_role_stmt": _roles,
    "drop_subscription_stmt": lambda node: [_name([node["subname"]])],
    "drop_table_space_stmt": lambda node: [_name([node["tablespacename"]])],
    "drop_user_mapping_stmt": lambda node: [_any_name(node["user"])],
    "dropdb_stmt": lambda node: [_name([node["dbname"]])],
}
# They do nothing that the reader has a kind for; so does every other ALTER.
_NOTHING = {
    "check_point_stmt",
    "comment_stmt",
    "constraints_set_stmt",
    "discard_stmt",
    "grant_role_stmt",
    "grant_stmt",
    "listen_stmt",
    "notify_stmt",
    "reassign_owned_stmt",
    "reindex_stmt",
    "sec_label_stmt",
    "unlisten_stmt",
    "variable_show_stmt",
}
