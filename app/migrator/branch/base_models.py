"""The tables and columns that the models had in another commit: its files, in a process of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from ...postgres.errors import one_printable_line
from ..config import MigratorConfig
from ..sql.names import qualified
from .changes import BranchChanges
from .git import Repository

_SECONDS = 120
# A larger file is no code, nor what code reads when it is imported.
_LARGEST = 2**20
# The package that has `read_config`, under whatever name it is installed.
_ENGINE = __name__.rpartition(".branch.")[0]
_PRINT_COLUMNS = """
import json, sys
from importlib import import_module
from pathlib import Path

engine, ini, output = sys.argv[1:]
tables = import_module(engine).read_config(Path(ini)).metadata.tables.values()
columns = [(table.schema or "", table.name, column.name) for table in tables for column in table.columns]
Path(output).write_text(json.dumps(columns))
"""


@dataclass(frozen=True)
class BaseModels:
    """The columns, each with its table as effects have it; None where they cannot be known, and `note` says why."""

    columns: frozenset[tuple[str, str]] | None
    note: str | None = None


def read_base_models(config: MigratorConfig, changes: BranchChanges) -> BaseModels:
    """Return what the models had where the branch left its base: `env.py` of that commit says which they were."""
    with TemporaryDirectory(prefix="models-at-base-") as folder:
        copy = Path(folder).resolve() / "files"
        _write_files(changes.repository, changes.merge_base, copy)
        output = copy.with_name("columns.json")
        failure = _run(config, changes.repository.root.resolve(), copy, output)
        if failure or not output.exists():
            return BaseModels(
                None,
                f"The models of {changes.base} ({changes.merge_base[:12]}) cannot be read: {failure or 'no output'}."
                " So whether they still have what is dropped is not known.",
            )
        columns = msgspec.json.decode(output.read_bytes(), type=list[tuple[str, str, str]])
    return BaseModels(frozenset((qualified(schema, table), column) for schema, table, column in columns))


def _write_files(repository: Repository, commit: str, folder: Path) -> None:
    files = repository.files(commit, _LARGEST)
    contents = repository.read(files.values())
    for path, name in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(contents[name])


def _run(config: MigratorConfig, root: Path, copy: Path, output: Path) -> str | None:
    """Have the files' own `env.py` say its models. Return why that failed; None if it did not."""
    assert config.alembic_ini is not None, "read_config and env.py set it"
    ini, here = config.alembic_ini.resolve(), Path.cwd()
    if not ini.is_relative_to(root):
        return f"{ini} is outside of the repository"
    folder = copy / here.relative_to(root) if here.is_relative_to(root) else copy / ini.parent.relative_to(root)
    if not folder.is_dir():
        return f"there was no folder {folder.relative_to(copy)}"
    paths = [copy / path.relative_to(root) for path in _import_paths(root, ini)]
    searched = [*(str(path) for path in paths if path.is_dir()), os.environ.get("PYTHONPATH", "")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, searched)), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - this Python
            [sys.executable, "-c", _PRINT_COLUMNS, _ENGINE, str(copy / ini.relative_to(root)), str(output)],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"their import did not end within {_SECONDS} s"
    return kind_of_error(done) if done.returncode else None


def kind_of_error(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the last line of the traceback, of other errors than those of imports its kind: it may have a password."""
    *_, last = ["", *done.stderr.decode(errors="replace").strip().splitlines()]
    kind = last.partition(":")[0].strip()
    text = last if kind in {"ImportError", "ModuleNotFoundError", "AttributeError"} else kind
    return one_printable_line(text) or f"exit code {done.returncode}"


def _import_paths(root: Path, ini: Path) -> Iterator[Path]:
    """Yield the folders of the repository from which this process imports, or from which that of a copy may."""
    loaded = [module for name, module in [*sys.modules.items()] if "." not in name]
    files = [Path(file) for module in loaded if (file := getattr(module, "__file__", None))]
    parents = [file.parent.parent if file.stem == "__init__" else file.parent for file in files]
    # An installed copy of the project itself comes after these.
    likely = [Path.cwd(), ini.parent, *(folder / "src" for folder in (Path.cwd(), ini.parent, root))]
    for path in dict.fromkeys([*(Path(entry) for entry in sys.path if entry), *likely, *parents]):
        if path.resolve().is_relative_to(root):
            yield path.resolve()
