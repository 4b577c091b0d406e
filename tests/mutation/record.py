"""Which tests run which lines, and how long they take: recorded once, in a copy of the checkout."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from coverage import CoverageData

from tests.mutation import timing
from tests.mutation.mutants import Mutant
from tests.support.processes import ROOT, in_checkout

STATE = ROOT / ".mutation"
_COVERAGE = STATE / "coverage"
_TIMES = STATE / "times.json"
_SOURCES = STATE / "sources.json"
# Of processes that a test starts it is known which test that was, by a variable that pytest sets.
_CONFIGURATION = """
[run]
{what}
branch = false
parallel = true
concurrency = thread,greenlet,multiprocessing
patch = subprocess,_exit
context = ${{PYTEST_CURRENT_TEST-}}
"""
# Of a short test, beside what is measured: a test of half a second does not cost twice as much as one of a quarter.
_SECONDS_OF_A_TEST = 0.5
# What pytest adds to the id of the test that runs.
_PHASE = re.compile(r" \((call|setup|teardown)\)$")


class RecordError(Exception):
    """Its text says what to do."""


def record(tests: Sequence[str], modules: Sequence[str], *, add: bool) -> int:
    """Run the tests in a copy of the checkout and keep what each runs; return pytest's exit code.

    Only lines of the modules are recorded, or of those of the directories; without any, the whole application's. With
    `add` what was recorded of other tests stays, if the application is still the same.
    """
    if add:
        Record.load()
    else:
        shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir(exist_ok=True)
    before = json.loads(_TIMES.read_text()) if add else {}
    with copied_checkout() as copy:
        configuration = copy / "coverage.ini"
        included = "".join(f"\n    */{module}{'' if module.endswith('.py') else '/*'}" for module in modules)
        configuration.write_text(_CONFIGURATION.format(what=f"include ={included}" if modules else "source = app"))
        env = {**os.environ, timing.FILE: str(_TIMES), "COVERAGE_FILE": str(_COVERAGE)}

        def coverage(command: str, *arguments: str) -> int:
            words = [sys.executable, "-m", "coverage", command, f"--rcfile={configuration}", *arguments]
            return subprocess.run(words, cwd=copy, env=in_checkout(env, copy), check=False).returncode

        code = coverage("run", "-m", "pytest", "-p", timing.__name__, "--tb=short", "-rf", *tests)
        if coverage("combine", "-q", *(["--append"] if add else [])):
            raise RecordError("What was recorded cannot be put together.")
    times = json.loads(_TIMES.read_text())
    # Of a file that is recorded again, tests may have gone.
    again = {name.partition("::")[0] for name in times}
    others = {name: seconds for name, seconds in before.items() if name.partition("::")[0] not in again}
    _TIMES.write_text(json.dumps(others | times))
    _SOURCES.write_text(json.dumps({str(path.relative_to(ROOT)): path.read_text() for path in _modules()}))
    return code


@contextmanager
def copied_checkout() -> Iterator[Path]:
    """A copy of the files that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    with tempfile.TemporaryDirectory(prefix="plimsoll-mutation-") as directory:
        copy = Path(directory)
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, copy / name)
        yield copy


class Record:
    """The tests that execute each line, and their seconds."""

    def __init__(self, data: CoverageData, seconds: dict[str, float], sources: dict[str, str]) -> None:
        self.seconds = seconds
        self._sources = sources
        self._tests_with = Counter(word for test in {t.partition("[")[0] for t in seconds} for word in _words(test))
        # The lines of each file, with their contexts; files are named from the checkout. The context is the test, or
        # that with its phase in a process that the test has started, or nothing before the first test.
        self._contexts: dict[str, dict[int, set[str]]] = {}
        for file in data.measured_files():
            of_file = self._contexts.setdefault(_within_checkout(file), defaultdict(set))
            for line, contexts in data.contexts_by_lineno(file).items():
                of_file[line].update(contexts)

    @classmethod
    def load(cls) -> "Record":
        """Raises RecordError where there is none, or the application has changed since."""
        if not _SOURCES.exists():
            raise RecordError("What the tests run is not recorded yet: python -m tests.mutation record")
        data = CoverageData(str(_COVERAGE))
        data.read()
        return cls(data, json.loads(_TIMES.read_text()), json.loads(_SOURCES.read_text()))

    def source_of(self, path: str) -> str:
        """Return the text of a module. Raises RecordError where it is another than what was recorded."""
        source = (ROOT / path).read_text()
        if self._sources.get(path) != source:
            raise RecordError(f"{path} has changed since the tests were recorded: python -m tests.mutation record")
        return source

    def tests_of(self, mutant: Mutant, budget: float, *, started_too: bool = True) -> list[str]:
        """Return the tests that may notice a fault, those with its words and the quick first, within so many seconds.

        One test is returned, however long it takes, if any runs one of the lines. Without `started_too`, tests of which
        only another process runs one are left out.
        """
        contexts = self._contexts_of(mutant)
        touching = {_PHASE.sub("", c) for c in contexts} if started_too else contexts
        about = _words(mutant.key + "\n".join(self._sources[mutant.path].splitlines()[slice(*_span(mutant.lines))]))
        chosen: list[str] = []
        met: Counter[str] = Counter()
        order: dict[str, tuple[int, float, float]] = {}
        for test in sorted(touching & self.seconds.keys(), key=lambda test: (self.seconds[test], test)):
            # The other parameters of a test come after other tests.
            function = test.partition("[")[0]
            alike = sum(1 / self._tests_with[word] for word in about & _words(function))
            order[test] = (met[function], -alike / (self.seconds[test] + _SECONDS_OF_A_TEST), self.seconds[test])
            met[function] += 1
        for test in sorted(order, key=order.__getitem__):
            budget -= self.seconds[test]
            if chosen and budget < 0:
                break
            chosen.append(test)
        return chosen

    def is_run_elsewhere(self, mutant: Mutant) -> bool:
        """Tell whether the fault's lines are run before the tests, or by processes that tests start."""
        return mutant.is_import or any(c == "" or _PHASE.search(c) for c in self._contexts_of(mutant))

    def _contexts_of(self, mutant: Mutant) -> set[str]:
        """Return where the fault's lines are run.

        A fault that only importing runs is noticed where a function uses the name that the statement gives; without
        such a function, everywhere that the module is run.
        """
        of_file = self._contexts.get(mutant.path, {})
        found = self._union(of_file, mutant.lines)
        if not (mutant.is_import or found == {""}):
            return found
        used = _lines_that_use(mutant.lines, self._sources[mutant.path]) & of_file.keys()
        return self._union(of_file, used or of_file)

    @staticmethod
    def _union(of_file: Mapping[int, set[str]], lines: Iterable[int]) -> set[str]:
        return set[str]().union(*(of_file.get(line, ()) for line in lines))


def _lines_that_use(lines: range, source: str) -> set[int]:
    """Return the lines of functions that use what a statement at these lines of the module gives a name."""
    functions: list[ast.stmt] = []
    names: set[str] = set()
    for statement in ast.parse(source).body:
        given = {target.id for target in _targets(statement) if isinstance(target, ast.Name)}
        if not given:
            functions.append(statement)
        # One that is made with another is noticed where either is used.
        elif statement.lineno <= lines.start <= (statement.end_lineno or 0) or names & _used(statement).keys():
            names |= given
    return {line for function in functions for name, at in _used(function).items() if name in names for line in at}


def _targets(statement: ast.stmt) -> Sequence[ast.expr]:
    if isinstance(statement, ast.AnnAssign):
        return [statement.target]
    return statement.targets if isinstance(statement, ast.Assign) else []


def _used(statement: ast.stmt) -> dict[str, set[int]]:
    """Return the names that are read in a statement, with the lines."""
    found: dict[str, set[int]] = defaultdict(set)
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found[node.id].add(node.lineno)
    return found


def _words(text: str) -> set[str]:
    """Return the words of the names in a text, without the s of a plural."""
    return {word.removesuffix("s") for word in re.findall(r"[a-z]{3,}", text.lower())}


def _span(lines: range) -> tuple[int, int]:
    return lines.start - 1, lines.stop - 1


def _modules() -> Iterable[Path]:
    return (ROOT / "app").rglob("*.py")


def _within_checkout(file: str) -> str:
    parts = Path(file).parts
    return str(Path(*parts[parts.index("app") :]))
