"""The JSON Schemas of what the engine's commands print with `--json`; run as a program, this writes their files."""

import json
import re
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec

from app.migrator.backfill.progress import Progress
from app.migrator.backfill.status import BackfillStatus
from app.migrator.backup.manifest import Manifest
from app.migrator.branch.summary import BranchSummary
from app.migrator.cli.backup import WrittenBackup
from app.migrator.cli.partitions import PartitionReport
from app.migrator.cli.revisions import Check
from app.migrator.cli.schema import SchemaText
from app.migrator.cli.squash import WrittenBaseline
from app.migrator.doctor.finding import Finding
from app.migrator.drift.report import Drift
from app.migrator.lint.finding import Finding as LintFinding
from app.migrator.preview.dry_run import DryRun
from app.migrator.revisions.listing import RevisionFile
from app.migrator.status import Status
from tests.support.processes import ROOT

FILES = ROOT / "app" / "migrator" / "schemas"
REWRITE = "python -m tests.support.json_schemas"
# The command -> what it prints.
SHAPES: dict[str, Any] = {
    # The list of all, or while some are run a line for each report.
    "backfill": list[BackfillStatus] | Progress,
    "backup": WrittenBackup,
    "branches": list[RevisionFile],
    "check": Check,
    "diff": BranchSummary,
    "doctor": list[Finding],
    "drift": Drift,
    "heads": list[RevisionFile],
    "history": list[RevisionFile],
    "lint": list[LintFinding],
    "partitions": PartitionReport,
    "restore": Manifest,
    "schema": SchemaText,
    "show": list[RevisionFile],
    "show-current-revision": list[RevisionFile],
    "squash": WrittenBaseline,
    "status": Status,
    # With --dry-run.
    "upgrade": DryRun,
}


def schema_of(command: str) -> str:
    """Return the text of the command's file."""
    found = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{command} --json",
        **_as_printed(msgspec.json.schema(SHAPES[command])),
    }
    return msgspec.json.format(msgspec.json.encode(found)).decode() + "\n"


def validate(command: str, document: object) -> None:
    """Raise ValidationError unless the command's file describes all that the document has."""
    _validator(command).validate(document)


@cache
def _validator(command: str) -> jsonschema_rs.Draft202012Validator:
    schema = _closed(json.loads((FILES / f"{command}.json").read_text()))
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def _closed(schema: Any) -> Any:
    """Return the schema without room for properties that it does not name."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _closed(value) for name, value in schema.items()}
    return {**found, "additionalProperties": False} if isinstance(found.get("properties"), dict) else found


def _as_printed(schema: Any) -> Any:
    """Return the schema with every property required, since defaults are printed, and descriptions for any language."""
    if isinstance(schema, list):
        return [_as_printed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _as_printed(value) for name, value in schema.items()}
    if isinstance(found.get("properties"), dict):
        found["required"] = list(found["properties"])
        for field in found["properties"].values():
            field.pop("default", None)
    if isinstance(found.get("description"), str):
        found["description"] = " ".join(re.sub(r"\bNone\b", "null", found["description"]).split())
    return found


if __name__ == "__main__":
    for name in SHAPES:
        (FILES / f"{name}.json").write_text(schema_of(name), encoding="utf-8")
