"""The files of migrations/docs/deploy, read as what runs them reads them."""

import os
import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.support.processes import BIN, ROOT, environment, require

DEPLOY = ROOT / "migrations" / "docs" / "deploy"
PAGE = DEPLOY.parent / "deploying.md"
_MANY_TIMES = re.compile(r"^(\w+)=(.*)$", re.MULTILINE)


class Step(NamedTuple):
    """A process that a manifest starts."""

    command: list[str]
    env: dict[str, str]

    def placed(self, places: Mapping[str, object]) -> "Step":
        """Return the step on this machine, where each of these texts is another: a directory, a port."""

        def replaced(text: str) -> str:
            for there, here in places.items():
                text = text.replace(there, str(here))
            return text

        return Step([*map(replaced, self.command)], {name: replaced(value) for name, value in self.env.items()})

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the environment of the process: what the image or the unit sets, and nothing of a test's."""
        inherited = {"ENVIRONMENT": "production", "LOCAL_AUTH_TOKEN": None, "DB_CONNECT_TIMEOUT": None}
        return environment(**inherited | self.env | changes)


def written(folder: Path, contents: Mapping[str, str]) -> Path:
    """Write the files of secrets into a new folder, and return it."""
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_text(f"{content}\n")
    return folder


def program(name: str) -> str:
    """Return the path of a program that checks manifests."""
    found = shutil.which(name, path=f"{BIN}:{os.environ['PATH']}")
    require(found is not None, f"{name}: uv sync --group manifests")
    assert found is not None
    return found


@cache
def kubernetes() -> list[dict[str, Any]]:
    """Return the objects of the overlay, as kustomize renders them."""
    command = [program("kubectl"), "kustomize", str(DEPLOY / "kubernetes" / "production")]
    rendered = subprocess.run(command, capture_output=True, text=True, check=False)
    assert rendered.returncode == 0, rendered.stderr
    return [*yaml.safe_load_all(rendered.stdout)]


def applied_objects() -> list[list[dict[str, Any]]]:
    """Return what each `kubectl apply` of the page applies, in its order."""
    selectors = re.findall(r"^kubectl apply -k production -l ([\w./]+)=(\w+)$", PAGE.read_text(), re.MULTILINE)
    return [
        [found for found in kubernetes() if found["metadata"]["labels"][label] == value] for label, value in selectors
    ]


def find_object(kind: str, name: str = "plimsoll") -> dict[str, Any]:
    (found,) = (each for each in kubernetes() if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def container(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the container of a Deployment's or a Job's pods."""
    (only,) = found["spec"]["template"]["spec"]["containers"]
    return dict(only)


def pod_step(found: Mapping[str, Any]) -> Step:
    """Return what a pod of the Deployment or Job runs: the image's command, unless it has its own."""
    has = container(found)
    return Step(has.get("args") or image_command(), {each["name"]: each["value"] for each in has["env"]})


def image_command() -> list[str]:
    (arguments,) = re.findall(r"^CMD (\[.+\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    return list(yaml.safe_load(arguments))


@cache
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


def compose_order() -> list[str]:
    """Return the services, each after those that it depends on."""
    return [
        *TopologicalSorter(
            {name: has.get("depends_on", ()) for name, has in compose()["services"].items()}
        ).static_order()
    ]


def compose_step(service: str) -> Step:
    has = compose()["services"][service]
    return Step(has.get("command") or image_command(), has["environment"])


def compose_health_check() -> str:
    """Return the Python code that tells whether the server is healthy."""
    *_, code = compose()["services"]["api"]["healthcheck"]["test"]
    return str(code)


def unit(name: str) -> Mapping[str, list[str]]:
    """Return the settings of a unit, its drop-ins' first; a setting may be there several times."""
    folder = DEPLOY / "systemd"
    drop_ins = sorted((folder / f"{name.partition('-')[0]}-.{name.rpartition('.')[2]}.d").glob("*.conf"))
    found: dict[str, list[str]] = defaultdict(list)
    for file in (*drop_ins, folder / name):
        for setting, value in _MANY_TIMES.findall(file.read_text()):
            found[setting].append(value)
    return found


def unit_steps(name: str) -> list[Step]:
    """Return the processes of a unit, one after the other."""
    has = unit(name)
    env = dict(text.split("=", 1) for text in has["Environment"])
    return [Step(shlex.split(command), env) for command in has["ExecStart"]]
