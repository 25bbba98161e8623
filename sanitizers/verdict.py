"""A verdict: what the gate found, what decided it, what was not checked; as JSON, SARIF and JUnit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from sanitizers.errors import CLEAN, CONTAMINATED, COULD_NOT_CHECK, NOTHING_CHECKED, Fault, SourceFailure
from sanitizers.scan.columns import Finding

FORMAT = 1
MARKS = (b'"exit_code"', b'"targets"')  # what every written verdict holds
CODES = {
    "clean": CLEAN,
    "contaminated": CONTAMINATED,
    "could not check": COULD_NOT_CHECK,
    "nothing checked": NOTHING_CHECKED,
}
Judgement = Literal["clean", "contaminated", "ambiguous", "not checked", "ignored", "raw, not judged", "legacy"]
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
    """What the gate found. The claim is about a purpose and rules; it is never "no sealed records".

    What is in `legacy` is older than the first strip: judged apart, no part of the claim, and never clean.
    """

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
    legacy: tuple[Target, ...] = ()
    format: int = FORMAT

    def to_json(self) -> str:
        """JSON, sorted and indented."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Said:
    """What a written verdict says: its word, the code that goes with it, and the digest of the policy it is about."""

    verdict: str
    exit_code: int
    policy: str

    @classmethod
    def read(cls, path: Path) -> Said:
        """Read a verdict that the gate has written.

        Raises
        ------
        SourceFailure
            It is none of this release, or its word and its code do not go together.
        """
        problem = "is not a verdict of this release"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            said = cls(content["verdict"], content["exit_code"], content["policy"])
            if content["format"] == FORMAT and type(said.exit_code) is int and CODES[said.verdict] == said.exit_code:
                return said
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        except (ValueError, KeyError, TypeError):
            pass
        raise SourceFailure(Fault(problem, "run `sealproof gate` again", where=str(path)))


def to_sarif(verdict: Verdict) -> str:
    """The verdict as SARIF 2.1.0 (OASIS), for code-scanning pages."""
    levels = {"contaminated": "error", "ambiguous": "warning", "not checked": "warning", "legacy": "note"}
    results = [
        {
            "ruleId": target.verdict,
            "level": levels[target.verdict],
            "message": {"text": _told(target)},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": target.path}}}],
        }
        for target in (*verdict.targets, *verdict.legacy)
        if target.verdict in levels
    ]
    driver = {"name": "sealproof", "rules": [{"id": name} for name in levels]}
    run = {"tool": {"driver": driver}, "results": results, "properties": {"verdict": verdict.verdict}}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"version": "2.1.0", "$schema": schema, "runs": [run]}, indent=1)


def to_junit(verdict: Verdict) -> str:
    """The verdict as JUnit XML: a case per target."""
    from xml.etree.ElementTree import Element, SubElement, tostring

    targets = (*verdict.targets, *verdict.legacy)
    counts = [target.verdict for target in targets]
    suite = Element(
        "testsuite",
        name="sealproof gate",
        tests=str(len(counts)),
        failures=str(counts.count("contaminated")),
        errors=str(counts.count("ambiguous") + counts.count("not checked")),
        skipped=str(sum(counts.count(said) for said in ("ignored", "raw, not judged", "legacy"))),
    )
    tags = {
        "contaminated": "failure",
        "ambiguous": "error",
        "not checked": "error",
        "ignored": "skipped",
        "raw, not judged": "skipped",
        "legacy": "skipped",
    }
    for target in targets:
        entry = SubElement(suite, "testcase", classname="sealproof", name=target.path)
        if target.verdict in tags:
            SubElement(entry, tags[target.verdict], message=_told(target))
    return tostring(suite, encoding="unicode")


def _told(target: Target) -> str:
    found = [f"{finding.column}: {finding.count} {finding.kind}" for finding in target.findings]
    return "; ".join([target.verdict, *([target.reason] if target.reason else []), *found])
