"""The processes of the systemd units, with the credentials that systemd gives them."""

import signal
from pathlib import Path

from tests.conftest import TOKEN
from tests.support.database import applied
from tests.support.manifests import Step, unit_steps, written
from tests.support.processes import run, serving


def test_units_take_an_empty_database_to_head_around_the_start_of_their_server(
    empty_database_url: str, tmp_path: Path
) -> None:
    credentials = written(tmp_path / "credentials", {"database-url": empty_database_url, "local-auth-token": TOKEN})

    def steps(unit: str) -> list[Step]:
        places = {"%d": credentials, "/opt/plimsoll/current/.venv/bin/": ""}
        return [step.placed(places) for step in unit_steps(unit)]

    def complete(unit: str) -> None:
        for step in steps(unit):
            done = run(*step.command, env=step.environment())
            assert done.returncode == 0, done.stderr

    complete("plimsoll-expand.service")
    (server_step,) = steps("plimsoll-server@.service")
    assert server_step.command[-2:] == ["--port", "%i"]
    with serving(server_step.environment(), tmp_path / "log", *server_step.command[2:-2]) as server:
        server.wait_until_ready()
        complete("plimsoll-contract.service")
        server.wait_until_ready()
        assert server.stop() == -signal.SIGTERM
    assert len(applied(empty_database_url)) == 1
