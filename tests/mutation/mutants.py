"""The faults that are put into a module: each changes one place of its text."""

import ast
import re
from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
# Links of a chain that builds a statement; without one of them it is still a statement.
_LINKS = {"distinct", "filter", "join", "limit", "offset", "order_by", "outerjoin", "where", "with_for_update"}
# Their arguments are conditions, of which one may be left out.
_CONDITIONS = {"and_", "or_", "where"}
_SQL = re.compile(r"\b(SELECT|UPDATE|DELETE|INSERT|WHERE)\b")
# What a fault takes out of SQL, or puts in its place.
_SQL_FAULTS = (
    (re.compile(r"\s+FOR (NO KEY )?(UPDATE|SHARE)\b"), ""),
    (re.compile(r"\bNOT (?!EXISTS \(SELECT FROM pg_database)"), ""),
    (re.compile(r"\bAND\b"), "OR"),
    (re.compile(r"\s+(DESC|DISTINCT|SKIP LOCKED)\b"), ""),
)
_SHORT = 60  # Characters of an expression that is shown as a whole.
_BESIDE = 25  # Characters of a longer one before and after the change.
# The scopes whose body runs when it is called, not when the module is imported.
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Mutant(NamedTuple):
    """A fault: these bytes of the module's source become `text`.

    `key` names it and stays the same while the function that it is in does not change. `lines` are those of the
    statement that it is in; tests that run one of them may notice it. `is_import` tells that only importing runs it.
    """

    key: str
    path: str
    lines: range
    is_import: bool
    start: int
    end: int
    text: str

    def applied_to(self, source: str) -> str:
        """Return the source with the fault."""
        encoded = source.encode()
        return (encoded[: self.start] + self.text.encode() + encoded[self.end :]).decode()


def mutants_of(path: str, source: str) -> list[Mutant]:
    """Return the faults of a module, in the order of its lines."""
    found = _Walk(path, source)
    found.visit_all(ast.parse(source))
    return found.mutants


class _Walk:
    def __init__(self, path: str, source: str) -> None:
        self.mutants: list[Mutant] = []
        self._path = path
        self._source = source
        lines = source.encode().splitlines(keepends=True)
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line))
        self._names: list[str] = []
        self._in_function = self._is_within_function = False
        self._statement = range(0)
        self._seen: dict[str, int] = {}

    def visit_all(self, node: ast.AST) -> None:
        """Collects the faults of what is within the node."""
        for child in ast.iter_child_nodes(node):
            self._visit(child, node)

    def _visit(self, node: ast.AST, parent: ast.AST) -> None:
        if _is_left_out(node, parent):
            return
        statement, in_function = self._statement, self._in_function
        if isinstance(node, ast.stmt):
            self._statement = _own_lines(node)
        if isinstance(node, _Function | ast.Lambda):
            self._is_within_function, self._in_function = in_function, True
        if isinstance(node, ast.arguments):
            # Defaults are made where the function is.
            self._in_function = self._is_within_function
        if isinstance(node, _Function | ast.ClassDef):
            self._names.append(node.name)
        if isinstance(node, ast.expr | ast.stmt) and not self._shows_at_once(node, parent):
            for text in _faults(node):
                self._add(node, text)
            for part, text in _faults_of_parts(node):
                self._add(part, text)
        if not isinstance(node, ast.JoinedStr):  # Python 3.11 does not know where the parts of an f-string are.
            self.visit_all(node)
        if isinstance(node, _Function | ast.ClassDef):
            self._names.pop()
        self._statement, self._in_function = statement, in_function

    def _shows_at_once(self, node: ast.AST, parent: ast.AST) -> bool:
        """Tell whether faults of the node are another's too, or nothing but a limit or a time, or fail everywhere."""
        match parent, node:
            case ((ast.If(test=test, body=[ast.Raise()]) | ast.IfExp(test=test)), _):
                return node is test and (isinstance(node, ast.UnaryOp) or _is_turned_round(node))
            case _, ast.Assign(targets=[ast.Attribute(value=ast.Name("self"))]):
                return self._names[-1:] == ["__init__"]
            case _, ast.Constant(value=int() | float()):
                return not self._names and not isinstance(node.value, bool)
        return False

    def _add(self, node: ast.expr | ast.stmt, text: str) -> None:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[node.end_lineno - 1] + node.end_col_offset
        key = f"{self._path}::{'.'.join(self._names) or 'module'}: {_change(ast.unparse(node), text)}"
        self._seen[key] = nth = self._seen.get(key, 0) + 1
        key = key if nth == 1 else f"{key} ({nth})"
        replacement = text if isinstance(node, ast.stmt) else f"({text})"
        self.mutants.append(Mutant(key, self._path, self._statement, not self._in_function, start, end, replacement))


def _change(before: str, after: str) -> str:
    """Return what is another than before, in a line, with some of what stands beside it."""
    before, after = " ".join(before.split()), " ".join(after.split())
    if len(before) <= _SHORT:
        return f"{before} -> {after}"
    same = _same(before, after)
    same_end = min(_same(before[::-1], after[::-1]), min(len(before), len(after)) - same)
    begin, end = max(same - _BESIDE, 0), max(same_end - _BESIDE, 0)
    return f"{before[begin : len(before) - end]} -> {after[begin : len(after) - end]}"


def _same(one: str, other: str) -> int:
    """Return the number of characters with which both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _own_lines(node: ast.stmt) -> range:
    """Return the lines of a statement without those of the statements that it holds."""
    body = getattr(node, "body", None)
    last = body[0].lineno - 1 if isinstance(body, list) and body else node.end_lineno or node.lineno
    return range(node.lineno, max(last, node.lineno) + 1)


def _is_left_out(node: ast.AST, parent: ast.AST) -> bool:
    """Tell whether nothing within the node is worth a fault: it is for readers, for the type checker or for the log."""
    if isinstance(node, ast.arg | ast.Assert | ast.Import | ast.ImportFrom):
        return True
    if isinstance(parent, ast.AnnAssign) and node is parent.annotation:
        return True
    if isinstance(parent, _Function) and (node is parent.returns or node in parent.decorator_list):
        return True
    if isinstance(parent, ast.ClassDef) and node in parent.bases:
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    return isinstance(node, ast.Expr) and (
        isinstance(node.value, ast.Constant) or ast.unparse(node.value).startswith(("log.", "await log."))
    )


def _faults(node: ast.expr | ast.stmt) -> Iterator[str]:
    """Return what may stand in the place of the node."""
    match node:
        case ast.Expr() | ast.Raise() | ast.AugAssign() | ast.Continue() | ast.Break():
            yield "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield "pass"
        case ast.Constant() | ast.JoinedStr():
            yield from _other_constants(node)
        case ast.BoolOp(values=values):
            for i in range(len(values)):
                rest = values[:i] + values[i + 1 :]
                yield ast.unparse(rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))
        case ast.Compare(ops=[operator]) if other := _SWAPPED.get(type(operator)):
            yield ast.unparse(ast.Compare(node.left, [other()], node.comparators))  # type: ignore[list-item]
        case ast.UnaryOp(op=ast.Not() | ast.Invert()):
            yield ast.unparse(node.operand)
        case ast.BinOp() if (other := _SWAPPED.get(type(node.op))) and not _is_text(node):
            yield ast.unparse(ast.BinOp(node.left, other(), node.right))  # type: ignore[arg-type]
        case ast.IfExp():
            yield from (ast.unparse(node.body), ast.unparse(node.orelse))
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield from _without_conditions(node)
        case ast.Call():
            yield from _shorter_calls(node)


def _faults_of_parts(node: ast.expr | ast.stmt) -> Iterator[tuple[ast.expr, str]]:
    """Return an expression within the node, and what may stand in its place because of what the node is."""
    match node:
        # Of other conditions there are other faults that make them the opposite.
        case ast.If(test=test) | ast.While(test=test) if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield test, ast.unparse(ast.UnaryOp(ast.Not(), test))
        case ast.With() | ast.AsyncWith():
            for item in node.items:
                if item.optional_vars is None and not ast.unparse(item.context_expr).startswith("suppress"):
                    yield item.context_expr, "__import__('contextlib').nullcontext()"


def _without_conditions(node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> Iterator[str]:
    for i, generator in enumerate(node.generators):
        if generator.ifs:
            fewer = ast.comprehension(generator.target, generator.iter, [], generator.is_async)
            yield _with(node, "generators", [*node.generators[:i], fewer, *node.generators[i + 1 :]])


def _other_constants(node: ast.Constant | ast.JoinedStr) -> Iterator[str]:
    if isinstance(node, ast.JoinedStr):
        for i, part in enumerate(node.values):
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and _SQL.search(ast.unparse(node)):
                for text in _other_sql(part.value):
                    changed = [*node.values[:i], ast.Constant(text), *node.values[i + 1 :]]
                    yield ast.unparse(ast.JoinedStr(changed))
    elif isinstance(node.value, bool):
        yield repr(not node.value)
    elif isinstance(node.value, int | float):
        yield repr(node.value + 1)
    elif isinstance(node.value, str) and _SQL.search(node.value):
        yield from map(repr, _other_sql(node.value))


def _other_sql(sql: str) -> Iterator[str]:
    for pattern, other in _SQL_FAULTS:
        for found in pattern.finditer(sql):
            yield sql[: found.start()] + other + sql[found.end() :]


def _shorter_calls(node: ast.Call) -> Iterator[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in _LINKS and isinstance(node.func, ast.Attribute):
        yield ast.unparse(node.func.value)
    if name in _CONDITIONS and len(node.args) > 1:
        for i in range(len(node.args)):
            yield _with(node, "args", node.args[:i] + node.args[i + 1 :])
    for i, keyword in enumerate(node.keywords):
        # Of True and False there is the opposite.
        if keyword.arg is not None and not (
            isinstance(keyword.value, ast.Constant) and keyword.value.value in (True, False)
        ):
            yield _with(node, "keywords", node.keywords[:i] + node.keywords[i + 1 :])


def _with(node: ast.AST, field: str, value: object) -> str:
    """Return the node's text with another value of one of its fields."""
    changed = type(node)(**{**{name: getattr(node, name) for name in node._fields}, field: value})
    return ast.unparse(ast.fix_missing_locations(changed))


def _is_turned_round(node: ast.AST) -> bool:
    """Tell whether the other operator makes it the opposite: no boundary is between them."""
    return isinstance(node, ast.Compare) and not isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE)


def _is_text(node: ast.BinOp) -> bool:
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
        for side in (node.left, node.right)
    )
