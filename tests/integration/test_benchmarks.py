"""The benchmarks run and their table is whole; how fast anything is, is no matter here."""

import json
import subprocess
import sys

import pytest

from tests.support.processes import ROOT, debian_program


def test_a_row_is_measured_against_every_rival_and_judged() -> None:
    debian_program("wrk", "wrk")
    command = [sys.executable, "-m", "tests.benchmarks", "--json", "--only=create", "--rounds=1", "--seconds=1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode in {0, 1}, done.stderr
    (row,) = json.loads(done.stdout)
    found = row["contestants"]
    assert set(found) == {"ours", "L0", "L1", "L2", "statements"}
    for figures in found.values():
        assert figures["value"] > 0
        assert 0 < figures["p50"] <= figures["p99"]
        assert figures["cpu"] > 0
    (goal,) = row["goals"]
    assert goal["reached"] == pytest.approx(found["ours"]["value"] / found["statements"]["value"])
    assert goal["met"] == (goal["reached"] >= 0.5)
    assert done.returncode == (0 if goal["met"] else 1)
