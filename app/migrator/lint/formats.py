"""The report in the formats of other programs: what shows it in a pull request, or beside test results."""

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

import msgspec

from .explanations import explain
from .finding import Finding, Report

_SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_NAME = "migrations lint"
# XML has no way to write these.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_json(report: Report) -> str:
    """Return the findings as a JSON array."""
    return msgspec.json.encode(report.findings).decode()


def as_github(report: Report) -> str:
    """Return the findings as commands that GitHub's workflows show beside the lines of a pull request."""
    return "\n".join(map(_annotation, report.findings))


def _annotation(finding: Finding) -> str:
    fields = {"file": _relative(finding.file), "line": finding.file_line, "title": finding.rule}
    shown = ",".join(f"{name}={_escape(str(value), ':,')}" for name, value in fields.items() if value)
    return f"::error {shown}::{_escape(_text(finding))}"


def _escape(text: str, signs: str = "") -> str:
    for sign in ("%", "\r", "\n", *signs):
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text


def as_sarif(report: Report) -> str:
    """Return the findings as SARIF 2.1.0, which code scanning reads."""
    rules = list(dict.fromkeys(finding.rule for finding in report.findings))
    driver = {"name": _NAME, "rules": [_sarif_rule(rule) for rule in rules]}
    results = [_sarif_result(finding, rules.index(finding.rule)) for finding in report.findings]
    log = {"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return msgspec.json.format(msgspec.json.encode(log)).decode()


def _sarif_rule(rule: str) -> dict[str, object]:
    what, *_ = explain(rule)
    return {"id": rule, "shortDescription": {"text": what}, "help": {"text": "\n".join(explain(rule))}}


def _sarif_result(finding: Finding, rule_index: int) -> dict[str, object]:
    place = {
        "artifactLocation": {"uri": quote(_relative(finding.file))},
        "region": {"startLine": finding.file_line or 1},
    }
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": "error",
        "message": {"text": _text(finding)},
        "locations": [{"physicalLocation": place}] if finding.file else [],
    }


def as_junit(report: Report) -> str:
    """Return a test case for each revision, which fails where something was found."""
    by_revision: dict[str, list[Finding]] = defaultdict(list, {revision: [] for revision in report.linted})
    for finding in report.findings:
        by_revision[finding.revision or "all revisions"].append(finding)
    failed = sum(bool(findings) for findings in by_revision.values())
    suite = Element("testsuite", name=_NAME, tests=str(len(by_revision)), failures=str(failed), errors="0")
    for revision, findings in by_revision.items():
        case = SubElement(suite, "testcase", classname=_NAME, name=revision)
        for finding in findings:
            where = f"{_relative(finding.file)}:{finding.file_line}\n" if finding.file else ""
            failure = SubElement(case, "failure", type=finding.rule, message=_NO_XML.sub("?", finding.message))
            failure.text = _NO_XML.sub("?", where + _text(finding))
    return tostring(suite, encoding="unicode", xml_declaration=True)


def _text(finding: Finding) -> str:
    return "\n".join(filter(None, (finding.sql, finding.message, f"→ {finding.rewrite}")))


def _relative(file: str | None) -> str:
    """Return the path from the working directory, as URLs have it; from the root where it is elsewhere."""
    if file is None:
        return ""
    path = Path(file).resolve()
    return (path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path).as_posix()


FORMATS: dict[str, Callable[[Report], str]] = {
    "json": as_json,
    "github": as_github,
    "sarif": as_sarif,
    "junit": as_junit,
}
