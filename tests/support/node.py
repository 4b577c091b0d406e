"""Node.js, and the npm packages of tests, which are installed once on a machine and kept from run to run."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.processes import BIN, ROOT, require

# Orval is there twice: clients of the documented backend have the older one.
_PACKAGES = (
    "@hey-api/openapi-ts@0.99.0",
    "@types/node@20.19.25",
    "axe-core@4.14.0",
    "esbuild@0.28.2",
    "openapi-fetch@0.17.0",
    "openapi-typescript@7.13.0",
    "orval@8.38.0",
    "orval-8.3.0@npm:orval@8.3.0",
    "swagger-typescript-api@13.13.0",
    # The generators need 5; 7 compiles in a fifth of the time.
    "typescript@5.9.3",
    "typescript-7@npm:typescript@7.0.2",
)
_STRICTLY = (
    *("--strict", "--skipLibCheck", "--noEmit", "--module", "esnext", "--moduleResolution", "bundler"),
    *("--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--types", "node"),
)
_PATH = os.pathsep.join([str(BIN), os.environ["PATH"]])


def run_node(script: str | Path, *arguments: str | Path, cwd: Path, **variables: str) -> str:
    """Run a script with that Node.js which is installed beside Python, where there is one; return what it writes."""
    done = _run("node", script, *arguments, cwd=cwd, **variables)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def new_package(directory: Path) -> Path:
    """Make the directory a package that has the npm packages of tests, and return these."""
    for name in ("node_modules", "package.json"):
        (directory / name).symlink_to(_installed() / name)
    return directory / "node_modules"


def npm_package(name: str) -> Path:
    """Return the folder of an npm package of tests."""
    return _installed() / "node_modules" / name


def compile_strictly(program: Path, client: Path) -> Path:
    """Compile a TypeScript program and a generated client, all of it strictly; return the script that they become."""
    directory, script = program.parent, program.with_suffix(".mjs")
    packages = directory / "node_modules"
    run_node(packages / "typescript-7" / "bin" / "tsc", *_STRICTLY, program, *client.rglob("*.ts"), cwd=directory)
    bundled = ("--bundle", "--platform=node", "--format=esm", "--log-level=warning", f"--outfile={script}")
    run_node(packages / "esbuild" / "bin" / "esbuild", program, *bundled, cwd=directory)
    return script


@cache
def _installed() -> Path:
    """Return where the npm packages are, as of the date of the Python ones."""
    require(shutil.which("npm", path=_PATH) is not None, "Node.js 22 or newer, with npm: uv sync --group node")
    as_of = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-newer"]
    version = hashlib.sha256(" ".join([*_PACKAGES, as_of]).encode()).hexdigest()[:12]
    cached = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "plimsoll-tests"
    cached.mkdir(parents=True, exist_ok=True)
    directory = cached / f"npm-{version}"
    # The processes of one run begin at the same time: one installs, the others wait for it.
    with (cached / "npm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            _install(directory, as_of)
    return directory


def _install(directory: Path, as_of: str) -> None:
    with TemporaryDirectory(dir=directory.parent, ignore_cleanup_errors=True) as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        (fresh / "package.json").write_text('{"private": true, "type": "module"}')
        quietly = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--fetch-retries=1")
        done = _run("npm", "install", *quietly, f"--before={as_of}", *_PACKAGES, cwd=fresh)
        errors = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        require(done.returncode == 0, f"the npm packages of tests/support/node.py, which npm refuses: {errors[:3]}")
        fresh.rename(directory)


def _run(*command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": _PATH, **variables}
    return subprocess.run(list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, check=False)
