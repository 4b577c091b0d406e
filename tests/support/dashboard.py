"""The dashboard for Grafana."""

import json
from typing import Any

from tests.support.processes import ROOT

DASHBOARD = ROOT / "migrations/docs/grafana.json"


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions() -> list[str]:
    """What its panels and its annotations ask for."""
    annotations = json.loads(DASHBOARD.read_text())["annotations"]["list"]
    targets = [target for panel in panels() for target in panel.get("targets", [])]
    return [asked["expr"] for asked in (*targets, *annotations)]
