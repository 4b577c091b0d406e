"""The metrics that the page, the alerts and the dashboard name are those that the application has."""

import asyncio
import re

import msgspec
import yaml

from app.asgi import create_app
from app.core.settings import Settings
from app.db.migrator_config import migrator_config
from app.migrator.backfill.control import pause
from app.server.protocol import _REFUSED as CONNECTIONS_REFUSED
from tests.conftest import client_of, started
from tests.support.dashboard import expressions
from tests.support.processes import ROOT

DOCS = ROOT / "migrations/docs"
_NAME = re.compile(r"\bplimsoll_\w+")
_HISTOGRAM = ("_bucket", "_count", "_sum")


async def exposed(settings: Settings) -> dict[str, str]:
    """The type of each metric of an application that has replicas and backfills."""
    assert settings.database_url is not None
    await asyncio.to_thread(pause, migrator_config(settings), ["tasks_organization"])
    # Whether it is a replica at all is no matter here.
    replicated = msgspec.structs.replace(settings, database_replica_urls=(settings.database_url,))
    async with started(create_app(replicated)) as app, client_of(app) as client:
        text = (await client.get("/metrics")).text
    found = dict(re.findall(r"^# TYPE (plimsoll_\w+) (\w+)$", text, re.MULTILINE))
    return {name: kind for name, kind in found.items() if not name.endswith("_created")}


async def test_page_alerts_and_dashboard_name_the_metrics_that_there_are(settings: Settings) -> None:
    """The page has every one. An expression names a histogram's samples, a sentence the histogram."""
    # The server's own metric is of the process, once its module is loaded.
    assert CONNECTIONS_REFUSED.describe()
    metrics = await exposed(settings)
    rows = re.findall(r"^\| `(plimsoll_\w+)` \|", (DOCS / "metrics.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(metrics)
    rules = [rule for group in yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
    samples = {name + end for name, kind in metrics.items() for end in (_HISTOGRAM if kind == "histogram" else ("",))}
    for expression in (*(rule["expr"] for rule in rules), *expressions()):
        assert set(_NAME.findall(expression)) <= samples, expression
    for sentence in (text for rule in rules for text in rule["annotations"].values()):
        assert set(_NAME.findall(sentence)) <= metrics.keys(), sentence
