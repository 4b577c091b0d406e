"""The files with which an operator deploys: they are valid, fit the limits of the server, and give no right away."""

import re
import shutil
import subprocess
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.core.setting_sources import SECRETS, file_variable
from app.core.setting_values import weakness
from app.core.settings import Settings
from app.server import uvicorn_server
from tests.support.manifests import (
    DEPLOY,
    PAGE,
    Step,
    applied_objects,
    compose,
    compose_step,
    container,
    find_object,
    kubernetes,
    pod_step,
    program,
    unit,
    unit_steps,
)
from tests.support.processes import ROOT, debian_program, require

STOPPED_AFTER = Settings().shutdown_timeout + uvicorn_server.CANCEL_SECONDS + uvicorn_server._EXIT_SECONDS
UNITS = sorted(path.name for path in (DEPLOY / "systemd").glob("*.service"))
INSTANCES = [name.replace("@", "@8001") for name in UNITS]
OUR_SERVICES = ("expand", "api", "backfill", "contract")


def workloads() -> list[dict[str, Any]]:
    return [found for found in kubernetes() if found["kind"] in {"Deployment", "Job"}]


def test_kubernetes_objects_fit_the_schemas_of_the_oldest_and_the_newest_version() -> None:
    require(find_spec("kubernetes_validate") is not None, "kubernetes-validate: uv sync --group manifests")
    schemas = import_module("kubernetes_validate")
    (oldest,) = re.findall(r"kustomize base for Kubernetes ([\d.]+) or later", PAGE.read_text())
    for version in (oldest, schemas.latest_version()):
        for found in kubernetes():
            schemas.validate(found, version, strict=True)


def test_pods_may_do_nothing_but_run() -> None:
    """What Kubernetes calls the restricted profile, and a file system that is read-only."""
    assert len(workloads()) == 5
    for found in workloads():
        pod, runs = found["spec"]["template"]["spec"], container(found)
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert f"USER {pod['securityContext']['runAsUser']}\n" in (ROOT / "Dockerfile").read_text()
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert runs["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} == runs["resources"].keys()


def test_labels_select_the_pods_of_their_workload_alone() -> None:
    selectors = {
        "Deployment": find_object("Deployment")["spec"]["selector"]["matchLabels"],
        "Service": find_object("Service")["spec"]["selector"],
        "PodDisruptionBudget": find_object("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    }
    for selector in selectors.values():
        chosen = [
            (found["kind"], found["metadata"]["name"])
            for found in workloads()
            if selector.items() <= found["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert chosen == [("Deployment", "plimsoll")]


def test_page_applies_the_objects_in_the_order_of_a_release() -> None:
    steps = [[(found["kind"], found["metadata"]["name"]) for found in step] for step in applied_objects()]
    expand, server, backfill, contract = map(sorted, steps)
    assert expand == [("Job", "plimsoll-expand-1-4-0")]
    assert server == [(kind, "plimsoll") for kind in ("Deployment", "PodDisruptionBudget", "Service")]
    assert backfill == [("Job", "plimsoll-backfill-1-4-0")]
    assert contract == [("Job", "plimsoll-contract-1-4-0")]
    waits = re.compile(r"^kubectl (?:wait|rollout status) .* (?:job|deployment)/(\S+)$", re.MULTILINE)
    assert waits.findall(PAGE.read_text()) == [expand[0][1], "plimsoll", backfill[0][1], contract[0][1]]
    # The names hold the release that the images have.
    assert {container(found)["image"] for found in workloads()} == {"registry.example.com/plimsoll:1.4.0"}


def test_killed_pod_of_a_job_is_replaced_and_wrong_settings_are_not_tried_again() -> None:
    for job in (found for found in workloads() if found["kind"] == "Job"):
        ignored, failed = job["spec"]["podFailurePolicy"]["rules"]
        assert (ignored["action"], ignored["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
        assert (failed["action"], failed["onExitCodes"]["values"]) == ("FailJob", [1, 2])
        assert failed["onExitCodes"]["containerName"] == container(job)["name"]


def test_grace_periods_fit_the_time_in_which_a_server_stops() -> None:
    deployment = find_object("Deployment")
    pause = container(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == pause + STOPPED_AFTER
    assert compose()["services"]["api"]["stop_grace_period"] == f"{STOPPED_AFTER:.0f}s"
    assert unit("plimsoll-server@.service")["TimeoutStopSec"] == [f"{STOPPED_AFTER:.0f}"]


def test_probe_waits_longer_than_the_answer_may_take() -> None:
    """/readyz is a 503 after two seconds in which the database does not answer."""
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container(find_object("Deployment"))[probe]["timeoutSeconds"] > 2


def test_compose_file_fits_the_schema() -> None:
    command = [program("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_compose_services_have_a_read_only_root_and_secrets_that_exist() -> None:
    for name in OUR_SERVICES:
        service = compose()["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    for service in compose()["services"].values():
        named = {value for value in service.get("environment", {}).values() if value.startswith("/run/secrets/")}
        assert named == {f"/run/secrets/{secret}" for secret in service["secrets"]}
        assert set(service["secrets"]) <= compose()["secrets"].keys()


def test_compose_service_waits_until_those_before_it_are_healthy_or_done() -> None:
    services = compose()["services"]
    for name in OUR_SERVICES:
        for before, how in services[name]["depends_on"].items():
            lasts = "restart" in services[before]
            assert how["condition"] == ("service_healthy" if lasts else "service_completed_successfully")
            assert lasts == ("healthcheck" in services[before])


def test_page_makes_the_secrets_of_compose_for_its_database_and_nobody_else(tmp_path: Path) -> None:
    debian_program("openssl", "openssl")
    commands = re.search(r"^mkdir -m 700 secrets\n.*?(?=```)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert commands
    subprocess.run(["bash", "-e", "-c", commands[0]], cwd=tmp_path, check=True)
    made = {path.name: path for path in (tmp_path / "secrets").iterdir()}
    assert {name: {"file": f"./secrets/{name}"} for name in made} == compose()["secrets"]
    assert {path.stat().st_mode & 0o777 for path in made.values()} == {0o444}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    url, user = urlsplit(made["database_url"].read_text().strip()), compose()["services"]["database"]["environment"]
    assert (url.username, url.hostname) == (user["POSTGRES_USER"], "database")
    assert url.password == made["database_password"].read_text().strip()
    assert weakness(made["local_auth_token"].read_text().strip()) is None


def every_step() -> list[Step]:
    pods = [pod_step(found) for found in workloads()]
    units = [step for name in UNITS for step in unit_steps(name)]
    return [*pods, *map(compose_step, OUR_SERVICES), *units]


def test_processes_read_settings_that_exist_and_secrets_from_files() -> None:
    settings = {field.upper() for field in Settings.__struct_fields__} - SECRETS | {*map(file_variable, SECRETS)}
    for step in every_step():
        assert step.env.keys() <= settings
        assert "DATABASE_URL_FILE" in step.env
        serves = step.command[1] == "run"
        assert ("LOCAL_AUTH_TOKEN_FILE" in step.env) == serves
        assert step.env.get("DB_AUTO_MIGRATE") == ("false" if serves else None)


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units as they are installed, with a program where theirs will be."""
    folder = tmp_path_factory.mktemp("units")
    shutil.copytree(DEPLOY / "systemd", folder, dirs_exist_ok=True)
    for name in UNITS:
        text = (folder / name).read_text()
        assert "ExecStart=/opt/plimsoll/current/.venv/bin/litestar " in text
        (folder / name).write_text(text.replace("/opt/plimsoll/current/.venv/bin/litestar", "/bin/true"))
    return folder


def analyze(units: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [debian_program("systemd-analyze", "systemd"), *arguments]
    # The colon stands for systemd's own directories.
    env = {"SYSTEMD_UNIT_PATH": f"{units}:", "SYSTEMD_LOG_LEVEL": "info", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_to_say_about_the_units(units: Path) -> None:
    done = analyze(units, "verify", *INSTANCES)
    # Of units of the machine it may have something to say.
    assert done.returncode == 0, done.stderr
    assert "plimsoll" not in done.stdout + done.stderr


def test_units_are_exposed_as_little_as_a_network_service_can_be(units: Path) -> None:
    """Of 10: what is left is that it talks to the network."""
    done = analyze(units, "security", "--offline=true", "--threshold=15", *INSTANCES)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("Overall exposure level") == len(UNITS)


def test_nginx_and_the_page_know_the_ports_of_the_units() -> None:
    old, new = re.findall(r"systemctl (?:enable|disable) --now plimsoll-server@(\d+)", PAGE.read_text())[::-1]
    assert f"    server 127.0.0.1:{old} " in (DEPLOY / "nginx.conf").read_text()
    assert f"s/127.0.0.1:{old}/127.0.0.1:{new}/" in PAGE.read_text()
