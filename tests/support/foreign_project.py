"""A project of somebody else's that has the engine as a wheel in an environment of its own."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.support.processes import READ_EARLY, ROOT, environment, run_forked
from tests.support.waiting import PATIENCE

FOREIGN = ROOT / "tests" / "migrations" / "foreign"
ENV = "migrations/env.py"
README = ROOT / "app" / "migrator" / "README.md"


class Project:
    """A copy of a project in a folder of its own, with the virtual environment that has the wheel."""

    def __init__(self, root: Path, venv: Path, url: str) -> None:
        self.root = root
        self.bin = venv / "bin"
        kept = {name: value for name, value in environment().items() if name.startswith(("PATH", "HOME", *READ_EARLY))}
        self._env = {**kept, "DATABASE_URL": url, "PYTHONPATH": str(root), "LITESTAR_APP": "app:app"}

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start the command in an interpreter of its own."""
        program = [str(self.bin / command[0]) if self._has(command[0]) else command[0], *command[1:]]
        return subprocess.Popen(
            program, cwd=self.root, env=self._env | variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, *command: str, code: int = 0, **variables: str) -> str:
        """Return what the command printed; it has to end with this exit code."""
        if self._has(command[0]):
            program = [str(self.bin / command[0]), *command[1:]]
            done = run_forked(program, self._env | variables, self.root)
            out, err, ended = done.stdout, done.stderr, done.returncode
        else:
            with self.start(*command, **variables) as process:
                out, err = process.communicate(timeout=2 * PATIENCE)
            ended = process.returncode
        assert ended == code, f"{command}: {ended}\n{out}\n{err}"
        return out + err

    def _has(self, program: str) -> bool:
        return (self.bin / program).exists()

    def migrate(self, *arguments: str, code: int = 0) -> str:
        return self.run("python", "-m", "plimsoll_migrator", *arguments, code=code)

    def use(self, environment: str) -> None:
        shutil.copy(self.root / "migrations" / environment, self.root / "migrations" / "env.py")

    def paste(self, *files: str) -> None:
        """Write the files as README has them."""
        for file in files:
            (self.root / file).write_text(example(file))


def example(file: str) -> str:
    """Return the code of README that begins with the name of the file."""
    (code,) = re.findall(rf"```python\n# {re.escape(file)}\n(.*?)```", README.read_text(), re.DOTALL)
    return str(code)
