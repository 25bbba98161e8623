"""A verdict: what the gate found, what decided it, what was not checked; as JSON, SARIF and JUnit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from sanitizers.scan.columns import Finding

FORMAT = 1
MARKS = (b'"exit_code"', b'"targets"')  # what every written verdict holds
Judgement = Literal["clean", "contaminated", "ambiguous", "not checked", "ignored", "raw, not judged"]
DecidedBy = Literal["identifiers compared", "chain", "recomputed", "nothing"]


@dataclass(frozen=True)
class Target:
    """One file and what was decided about it."""

    path: str
    sha256: str | None
    verdict: Judgement
    decided_by: DecidedBy
    findings: tuple[Finding, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the gate found. The claim is about a purpose and rules; it is never "no sealed records"."""

    verdict: Literal["clean", "contaminated", "could not check", "nothing checked"]
    exit_code: int
    claim: str
    purpose: str
    rules: str
    basis: str
    policy: str
    snapshot: str
    as_of: str
    known_at: str
    last_delivery: str
    key_fingerprint: str
    targets: tuple[Target, ...]
    not_barred: Mapping[str, int | str]
    warnings: tuple[str, ...] = ()
    format: int = FORMAT

    def to_json(self) -> str:
        """JSON, sorted and indented."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def to_sarif(verdict: Verdict) -> str:
    """The verdict as SARIF 2.1.0 (OASIS), for code-scanning pages."""
    levels = {"contaminated": "error", "ambiguous": "warning", "not checked": "warning"}
    results = [
        {
            "ruleId": target.verdict,
            "level": levels[target.verdict],
            "message": {"text": _told(target)},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": target.path}}}],
        }
        for target in verdict.targets
        if target.verdict in levels
    ]
    driver = {"name": "sealproof", "rules": [{"id": name} for name in levels]}
    run = {"tool": {"driver": driver}, "results": results, "properties": {"verdict": verdict.verdict}}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"version": "2.1.0", "$schema": schema, "runs": [run]}, indent=1)


def to_junit(verdict: Verdict) -> str:
    """The verdict as JUnit XML: a case per target."""
    from xml.etree.ElementTree import Element, SubElement, tostring

    counts = [target.verdict for target in verdict.targets]
    suite = Element(
        "testsuite",
        name="sealproof gate",
        tests=str(len(counts)),
        failures=str(counts.count("contaminated")),
        errors=str(counts.count("ambiguous") + counts.count("not checked")),
        skipped=str(counts.count("ignored") + counts.count("raw, not judged")),
    )
    tags = {
        "contaminated": "failure",
        "ambiguous": "error",
        "not checked": "error",
        "ignored": "skipped",
        "raw, not judged": "skipped",
    }
    for target in verdict.targets:
        entry = SubElement(suite, "testcase", classname="sealproof", name=target.path)
        if target.verdict in tags:
            SubElement(entry, tags[target.verdict], message=_told(target))
    return tostring(suite, encoding="unicode")


def _told(target: Target) -> str:
    found = [f"{finding.column}: {finding.count} {finding.kind}" for finding in target.findings]
    return "; ".join([target.verdict, *([target.reason] if target.reason else []), *found])
