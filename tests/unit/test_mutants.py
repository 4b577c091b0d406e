"""The faults that the mutation runs put into the code."""

import pytest
from coverage import CoverageData

from tests.mutation.mutants import mutants_of
from tests.mutation.record import Record
from tests.mutation.run import equivalents
from tests.support.processes import ROOT


def changes(source: str) -> list[str]:
    mutants = mutants_of("m.py", source)
    for mutant in mutants:
        compile(mutant.applied_to(source), "m.py", "exec")
    return [mutant.applied_to(source) for mutant in mutants]


@pytest.mark.parametrize(
    ("source", "faults"),
    [
        ("a < b", {"(a <= b)"}),
        ("a and not b", {"(not b)", "(a)", "a and (b)"}),
        ("f(x, lock=True, y=z)", {"f(x, lock=(False), y=z)", "(f(x, lock=True))"}),
        ("a if b == d else c", {"(a)", "(c)"}),
        ("select(T).where(a, b)", {"(select(T))", "(select(T).where(b))", "(select(T).where(a))"}),
        ("[x for x in xs if f(x)]", {"([x for x in xs])"}),
        ("'SELECT 1 FROM t WHERE a AND NOT b FOR UPDATE'", {
            "('SELECT 1 FROM t WHERE a AND NOT b')",
            "('SELECT 1 FROM t WHERE a AND b FOR UPDATE')",
            "('SELECT 1 FROM t WHERE a OR NOT b FOR UPDATE')",
        }),
        ("'no SQL' + x", set()),
    ],
)  # fmt: skip
def test_an_expression_has_these_faults(source: str, faults: set[str]) -> None:
    assert set(changes(f"y = {source}")) == {f"y = {fault}" for fault in faults}


def test_what_would_fail_everywhere_or_is_another_fault_too_is_left_out() -> None:
    assert changes("LIMIT = 5\n\nclass C:\n    def __init__(self, a):\n        self.a = a\n") == []
    guard = "def f(x):\n    if x is None:\n        raise E\n"
    assert changes(guard) == ["def f(x):\n    if x is None:\n        pass\n"]
    assert "def f(x):\n    if (x >= n):\n        raise E\n" in changes(guard.replace("x is None", "x > n"))


def test_a_statement_with_an_effect_is_left_out() -> None:
    source = "async def f(self):\n    '''Do.'''\n    log.info('x', y=1)\n    async with lock:\n        await g()\n"
    locked, called = changes(source)
    assert "async with (__import__('contextlib').nullcontext()):" in locked
    assert "    async with lock:\n        pass\n" in called


def test_a_fault_is_named_by_its_function_and_belongs_to_the_lines_of_its_statement() -> None:
    function = "    def f(self):\n        if a(\n            1,\n        ):\n            raise E\n        x = 1\n"
    source = f"class C:\n{function}    def g(self, *, h=False):\n        return h\n\nX = not y\n"
    mutants = {mutant.key: mutant for mutant in mutants_of("m.py", source)}
    assert mutants["m.py::C.f: a(1) -> not a(1)"].lines == range(3, 6)
    assert mutants["m.py::C.f: raise E -> pass"].lines == range(6, 7)
    assert not mutants["m.py::C.f: 1 -> 2"].is_import
    assert mutants["m.py::C.f: 1 -> 2 (2)"].lines == range(7, 8)
    assert mutants["m.py::module: not y -> y"].is_import
    assert mutants["m.py::C.g: False -> True"].is_import


def test_faults_that_are_called_equivalent_are_there_and_have_a_reason() -> None:
    known = equivalents()
    paths = {key.partition("::")[0] for key in known}
    there = {mutant.key for path in paths for mutant in mutants_of(path, (ROOT / path).read_text())}
    assert set(known) - there == set()
    assert all(reason.endswith(".") for reason in known.values())


def test_fault_of_what_importing_makes_is_for_the_tests_of_where_it_is_used() -> None:
    source = "A = x < 1\nB = A\nC = 2\n\n\ndef f():\n    return B\n\n\ndef g():\n    return C\n"
    data = CoverageData(no_disk=True)
    for test, line in (("t.py::test_f", 7), ("t.py::test_g", 11)):
        data.set_context(test)
        data.add_lines({"/somewhere/app/m.py": [line]})
    record = Record(data, {"t.py::test_f": 1.0, "t.py::test_g": 0.1}, {"app/m.py": source})
    data.close(force=True)
    (fault,) = mutants_of("app/m.py", source)
    assert record.tests_of(fault, budget=9.0) == ["t.py::test_f"]
