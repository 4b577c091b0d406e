"""`litestar database lint --format …` and `--explain`: the findings for other programs, and the rules for people."""

import json
import os
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema_rs
import pytest

from app.core.settings import Settings
from app.migrator.lint.explanations import UnknownRuleError, explain
from app.migrator.lint.finding import Finding, Report
from app.migrator.lint.formats import FORMATS, as_github, as_junit, as_sarif
from app.migrator.lint.rules import PROJECT_RULES, RULES
from app.migrator.lint.squawk import SYNTAX_ERROR
from tests.migrations.conftest import Release, sql
from tests.support.migrator import lint
from tests.support.processes import ROOT, environment, run

# What the published schema of SARIF 2.1.0, and code scanning, ask of what we write.
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "rules": {"type": "array", "uniqueItems": True, "items": {"$ref": "#/$defs/rule"}},
                                },
                            }
                        },
                    },
                    "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                },
            },
        },
    },
    "$defs": {
        "message": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}},
        "rule": {
            "type": "object",
            "required": ["id", "shortDescription"],
            "properties": {
                "id": {"type": "string"},
                "shortDescription": {"$ref": "#/$defs/message"},
                "help": {"$ref": "#/$defs/message"},
            },
        },
        "result": {
            "type": "object",
            "required": ["ruleId", "message"],
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"enum": ["none", "note", "warning", "error"]},
                "message": {"$ref": "#/$defs/message"},
                "locations": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["physicalLocation"],
                        "properties": {
                            "physicalLocation": {
                                "type": "object",
                                "required": ["artifactLocation"],
                                "properties": {
                                    "artifactLocation": {
                                        "type": "object",
                                        "required": ["uri"],
                                        "properties": {"uri": {"type": "string", "format": "uri-reference"}},
                                    },
                                    "region": {
                                        "type": "object",
                                        "properties": {"startLine": {"type": "integer", "minimum": 1}},
                                    },
                                },
                            }
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture
def report(release: Release, monkeypatch: pytest.MonkeyPatch) -> Report:
    """A report on two revisions, of which one has two findings: ours, and one of squawk's."""
    monkeypatch.chdir(release.root)
    fine = release.add("pass")
    return lint(Settings(), [fine, release.add(sql("ALTER TABLE tags DROP color", "CREATE INDEX one ON tags (name)"))])


def awkward(text: str, file: str = "a.py") -> Report:
    return Report(("a",), (Finding("a", file, "block-of-code", 1, text, text, text, 3),), None)


def test_github_shows_a_finding_beside_its_line(report: Report) -> None:
    ours, squawks = as_github(report).split("\n")
    finding = report.findings[0]
    name = Path(finding.file or "").name
    start = f"::error file=migrations/versions/{name},line={finding.file_line},title=contract-step-in-expand::"
    assert ours.startswith(f"{start}ALTER TABLE tags DROP color%0Adrop column tags.color: ")
    assert "title=require-concurrent-index-creation::" in squawks


def test_github_reads_nothing_into_the_text_of_a_finding() -> None:
    command = as_github(awkward("a,b:c%\r\n::error::x", "a,b:c%\r\n::error::x.py"))
    assert "\n" not in command
    properties, _, message = command.removeprefix("::error ").partition("::")
    assert properties.startswith("file=")
    assert properties.endswith("a%2Cb%3Ac%25%0D%0A%3A%3Aerror%3A%3Ax.py,line=3,title=block-of-code")
    assert message.startswith("a,b:c%25%0D%0A::error::x%0A")


def test_sarif_is_what_its_schema_asks_for(report: Report) -> None:
    log = json.loads(as_sarif(report))
    jsonschema_rs.validator_for(SARIF, validate_formats=True).validate(log)
    (sarif_run,) = log["runs"]
    rules = [rule["id"] for rule in sarif_run["tool"]["driver"]["rules"]]
    assert rules == [finding.rule for finding in report.findings]
    for result, finding in zip(sarif_run["results"], report.findings, strict=True):
        assert rules[result["ruleIndex"]] == result["ruleId"] == finding.rule
        (place,) = [each["physicalLocation"] for each in result["locations"]]
        assert Path(place["artifactLocation"]["uri"]) == Path(finding.file or "").relative_to(Path.cwd())
        assert place["region"]["startLine"] == finding.file_line
        assert finding.message in result["message"]["text"]


def test_sarif_writes_a_path_as_a_uri() -> None:
    (result,) = json.loads(as_sarif(awkward("x", "a folder/ä.py")))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20folder/%C3%A4.py"


def test_sql_that_squawk_cannot_read_is_a_finding_in_every_format(release: Release) -> None:
    report = lint(Settings(), [release.add(sql("ALTER TABLE tags ADD COLUMN a integer GARBLED"))])
    (finding,) = report.findings
    assert (finding.rule, "--explain syntax-error" in finding.rewrite) == (SYNTAX_ERROR, True)
    for name, as_text in FORMATS.items():
        assert SYNTAX_ERROR in as_text(report), name


@pytest.mark.parametrize("found", [(), (Finding(None, None, "several-heads", None, None, "two", "join"),)])
def test_sarif_has_a_run_without_a_place_or_a_result(found: tuple[Finding, ...]) -> None:
    log = json.loads(as_sarif(Report(("a",), found, None)))
    jsonschema_rs.validator_for(SARIF, validate_formats=True).validate(log)
    assert [result["locations"] for result in log["runs"][0]["results"]] == [[] for _ in found]


def test_junit_has_a_case_for_each_revision(report: Report) -> None:
    suite = ElementTree.fromstring(as_junit(report))
    assert (suite.tag, suite.attrib["tests"], suite.attrib["failures"]) == ("testsuite", "2", "1")
    fine, bad = suite.findall("testcase")
    assert [case.attrib["name"] for case in (fine, bad)] == list(report.linted)
    assert fine.findall("failure") == []
    assert [failure.attrib["type"] for failure in bad.findall("failure")] == [f.rule for f in report.findings]
    place = f"{os.path.relpath(report.findings[0].file or '')}:{report.findings[0].file_line}\n"
    assert (bad.findall("failure")[0].text or "").startswith(place)


def test_junit_is_xml_whatever_a_finding_says() -> None:
    (case,) = ElementTree.fromstring(as_junit(awkward('<&>"\x00\x1b\ud800'))).findall("testcase")
    assert case.findall("failure")[0].attrib["message"] == '<&>"???'


def test_command_writes_the_format_alone_on_standard_output() -> None:
    for name in FORMATS:
        found = run("litestar", "database", "lint", "head", "--format", name, env=environment(ENVIRONMENT=None))
        assert (found.returncode, found.stderr) == (0, ""), name
    assert found.stdout.startswith("<?xml ")
    found = run("litestar", "database", "lint", "--json", "--format", "sarif", env=environment(ENVIRONMENT=None))
    assert (found.returncode, "--format sarif" in found.stderr) == (2, True)


def test_every_rule_of_our_own_is_explained_and_in_the_guide() -> None:
    guide = (ROOT / "migrations" / "docs" / "linting.md").read_text()
    named = re.findall(r"^\| `([a-z-]+)` \|", guide, re.MULTILINE)
    of_files = {
        "several-heads",
        "outdated-baseline",
        "edited-after-applied",
        "revision-id",
        "lint-ignore",
        SYNTAX_ERROR,
    }
    assert {*RULES, *PROJECT_RULES, *of_files} == set(named)
    for rule in named:
        what, why, instead = explain(rule)
        assert what
        assert why.startswith("Why: ")
        assert instead.startswith("Instead: ")


def test_rule_of_squawks_is_explained_by_where_to_read_and_whether_it_is_on() -> None:
    assert "https://squawkhq.com/docs/ban-char-field" in explain("ban-char-field")[-1]
    assert any("DB_MIGRATE_LOCK_TIMEOUT" in line for line in explain("require-lock-timeout"))
    with pytest.raises(UnknownRuleError, match="no rule 'nonsense'"):
        explain("nonsense")


def test_command_explains_a_rule_and_lints_nothing() -> None:
    found = run("litestar", "database", "lint", "--explain", "limit-lifted", env=environment(ENVIRONMENT=None))
    assert found.returncode == 0, found.stderr
    assert [line.partition(":")[0] for line in found.stdout.splitlines()][1:] == ["Why", "Instead"]
    unknown = run("litestar", "database", "lint", "--explain", "nonsense", env=environment(ENVIRONMENT=None))
    assert (unknown.returncode, "limit-lifted" in unknown.stderr) == (2, True)
