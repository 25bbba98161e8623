"""Collect what the report says, before anything is drawn.

Everything comes from files that others can check: the public receipt, the verdict and the chain. The report adds no
claim of its own. Where two of the files are not about the same thing, it says so instead of choosing one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from sanitizers import digest
from sanitizers.errors import Fault, SourceFailure
from sanitizers.policy import Policy, Source
from sanitizers.strip.receipt import RECEIPT, Count, Receipt

STRIP = "strip"
CODE = (".py", ".sql")
NOT_JUDGED = ("not checked", "ambiguous", "ignored", "raw, not judged")


class _Told(BaseModel):
    """A file that another room wrote: what is needed must be there, what is new is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


Told = TypeVar("Told", bound=_Told)


class Finding(_Told):
    """Barred identifiers in one column: how many, and how many chance alone would give."""

    column: str
    kind: str
    count: Count
    expected: float


class Target(_Told):
    """One file that the gate was given."""

    path: str
    sha256: str | None
    verdict: Literal["clean", "contaminated", "ambiguous", "not checked", "ignored", "raw, not judged", "legacy"]
    decided_by: Literal["identifiers compared", "chain", "recomputed", "nothing"]
    findings: tuple[Finding, ...]
    reason: str


class Verdict(_Told):
    """What the gate decided."""

    format: Literal[1]
    verdict: Literal["clean", "contaminated", "could not check", "nothing checked"]
    claim: str
    purpose: str
    rules: str
    basis: str
    policy: str
    snapshot: str
    as_of: str
    known_at: str
    last_delivery: str
    key_fingerprint: str | None
    targets: tuple[Target, ...]
    not_barred: dict[str, Count]
    warnings: tuple[str, ...]
    legacy: tuple[Target, ...] = ()


class Step(_Told):
    """One link of the chain: a step and the SHA-256 of what it read and wrote."""

    format: Literal[1]
    made_by: str
    inputs: dict[str, str]
    outputs: dict[str, str]


@dataclass(frozen=True)
class Reached:
    """What seals did to one column of one source."""

    source: str
    column: str
    kind: str
    action: str
    rows: Count
    by_link: Mapping[str, Count]
    missing: Count


@dataclass(frozen=True)
class Measures:
    """The model's measures: single ones by name, and those that repeat as tables ``title → row → column → value``.

    Examples
    --------
    >>> Measures.of({"pairs": 12, "by type": {"ROBBERY": {"auc": 0.9}, "ARSON": {"auc": 0.8}}})
    Measures(single={'pairs': 12}, tables={'by type': {'ROBBERY': {'auc': 0.9}, 'ARSON': {'auc': 0.8}}})
    """

    single: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, Mapping[str, Any]]]

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Measures:
        """Take tables out of nested measures; what fits no table is shown as one level."""
        tables = {name: value for name, value in given.items() if _is_table(value)}
        return cls(_flat({name: value for name, value in given.items() if name not in tables}), tables)


def _is_table(value: Any) -> bool:
    """Whether every row is a mapping that holds no further one."""
    rows = list(value.values()) if isinstance(value, Mapping) else []
    return bool(rows) and all(
        isinstance(row, Mapping) and not any(isinstance(cell, Mapping) for cell in row.values()) for row in rows
    )


@dataclass(frozen=True)
class Summary:
    """Everything that the page shows.

    Parameters
    ----------
    receipt, verdict, steps
        As read; steps in the order in which they read from each other.
    receipt_digest
        SHA-256 of the receipt itself: a step that read the whole strip names it.
    made_by
        SHA-256 of every file that the strip or a later step published → that step.
    depth
        How many steps lie between the strip and each step, counted on the longest way.
    figures, model
        Headline numbers, a name and a value each, and the model's measures, as tables where they repeat.
    policy
        The policy, where it is at hand: it names what is emptied and what is passed over.
    """

    title: str
    receipt: Receipt
    receipt_digest: str
    verdict: Verdict
    steps: tuple[Step, ...]
    made_by: Mapping[str, str]
    depth: Mapping[str, int]
    figures: Mapping[str, Any]
    figures_note: str
    model: Measures
    policy: Policy | None

    @property
    def headline(self) -> str:
        """The verdict as one sentence. Only a clean verdict claims anything."""
        scope = f"for the purpose “{self.verdict.purpose}” under the rules “{self.verdict.rules}”"
        return {
            "clean": f"Holds nothing barred {scope}",
            "contaminated": f"Holds records that are barred {scope}",
            "could not check": "Could not be checked: this report makes no claim",
            "nothing checked": "Nothing was checked: this report makes no claim",
        }[self.verdict.verdict]

    @property
    def reached(self) -> dict[str, list[Reached]]:
        """What seals did, column by column, by source."""
        return {name: [told for told in self._reached() if told.source == name] for name in self.receipt.sources}

    @property
    def decided(self) -> dict[tuple[str, str], int]:
        """How many files got which verdict, and by what it was decided; most first."""
        return dict(Counter((target.verdict, target.decided_by) for target in self.verdict.targets).most_common())

    def _reached(self) -> Iterator[Reached]:
        for name, counts in self.receipt.sources.items():
            source = self.policy.sources.get(name) if self.policy else None
            for column, told in counts.columns.items():
                action = _action(column, told["on_seal"], source)
                missing = counts.missing.get(column, 0)
                yield Reached(name, column, told["kind"], action, told["rows"], told["by_link"], missing)
            for column, rows in counts.texts.items():
                yield Reached(name, column, "text", _text_action(column, source), rows, {}, 0)

    def origin(self, name: str, sha: str) -> str | None:
        """Which step an input comes from; ``code`` for what a step runs, None for what nothing vouches for."""
        return self.made_by.get(sha, "code" if Path(name).suffix in CODE else None)

    def origins(self, step: Step) -> list[str]:
        """The steps whose files a step has read, each once."""
        return _origins(self.made_by, step)

    @property
    def unexplained(self) -> tuple[tuple[str, str], ...]:
        """Inputs (step, name) that are no code, and that neither the strip nor another step has written."""
        return tuple(
            (step.made_by, name)
            for step in self.steps
            for name, sha in step.inputs.items()
            if self.origin(name, sha) is None
        )

    @property
    def not_judged(self) -> tuple[Target, ...]:
        """Targets about which the verdict says nothing."""
        return tuple(target for target in self.verdict.targets if target.verdict in NOT_JUDGED)

    @property
    def cautions(self) -> tuple[str, ...]:
        """Where receipt, verdict and policy are not about the same thing, and what the verdict warns of."""
        pairs = [
            ("policy", self.receipt.policy, self.verdict.policy),
            ("snapshot", self.receipt.snapshot, self.verdict.snapshot),
            ("purpose", self.receipt.purpose, self.verdict.purpose),
            ("rules", self.receipt.rules, self.verdict.rules),
            ("key", self.receipt.key_fingerprint, self.verdict.key_fingerprint or self.receipt.key_fingerprint),
        ]
        told = [f"The strip and the gate did not use the same {what}." for what, one, other in pairs if one != other]
        if self.policy and self.policy.digest != self.verdict.policy:
            told.append("The policy quoted in this report is not the one that the gate used.")
        for name, counts in self.receipt.sources.items():
            numbers = (counts.rows_in, counts.rows_kept, counts.rows_dropped)
            if all(isinstance(n, int) for n in numbers) and counts.rows_in != sum(numbers[1:]):  # type: ignore[arg-type]
                told.append(f"In the source {name}, rows in are not rows kept and rows dropped together.")
        if self.verdict.legacy:
            count = len(self.verdict.legacy)
            told.append(f"{count} file(s) are older than the first strip; the verdict is not about them.")
        return (*told, *self.verdict.warnings)

    @property
    def limits(self) -> tuple[str, ...]:
        """What this report does not show, whatever the verdict."""
        return tuple(_limits(self.policy))

    @property
    def digests(self) -> tuple[tuple[str, str], ...]:
        """Everything that has a digest, in full: policy, snapshot, kinds, then each file once."""
        named = [("policy", self.receipt.policy), ("snapshot", self.receipt.snapshot), ("kinds", self.receipt.kinds)]
        named += [(f"{STRIP}: {RECEIPT}", self.receipt_digest)]
        named += [(f"{STRIP}: {name}", sha) for name, sha in self.receipt.files.items()]
        for step in self.steps:
            named += [(f"{step.made_by}: {name}", sha) for name, sha in step.outputs.items()]
            other = [(name, sha) for name, sha in step.inputs.items() if sha not in self.made_by]
            named += [(f"read by {step.made_by}: {name}", sha) for name, sha in other]
        listed = {sha for _, sha in named}
        judged = (*self.verdict.targets, *self.verdict.legacy)
        named += [(t.path, t.sha256) for t in judged if t.sha256 and t.sha256 not in listed]
        return tuple(named)


def summarise(
    *,
    title: str,
    receipt: Path,
    verdict: Path,
    chain: Sequence[Path],
    figures: Mapping[str, Any] | None,
    figures_note: str,
    model: Mapping[str, Any] | None,
    policy: Policy | None,
) -> Summary:
    """Read the files that a report is made from.

    Raises
    ------
    SourceFailure
        A file is not there, or is not what it should be.
    """
    told = Receipt.read(receipt)
    receipt_digest = digest.of_file(receipt)
    steps = [_read(Step, path, "chain file", "run the step that writes it again") for path in chain]
    made_by = _made_by(told, receipt_digest, steps)
    depth = _depths(made_by, steps)
    return Summary(
        title=title,
        receipt=told,
        receipt_digest=receipt_digest,
        verdict=_read(Verdict, verdict, "verdict", "run `sealproof gate` again"),
        steps=tuple(sorted(steps, key=lambda step: depth[step.made_by])),
        made_by=made_by,
        depth=depth,
        figures=_flat(figures or {}),
        figures_note=figures_note,
        model=Measures.of(model or {}),
        policy=policy,
    )


def _made_by(receipt: Receipt, receipt_digest: str, steps: Sequence[Step]) -> dict[str, str]:
    made = dict.fromkeys([receipt_digest, *receipt.files.values()], STRIP)
    for step in steps:
        made |= {sha: step.made_by for sha in step.outputs.values() if sha not in made}
    return made


def _origins(made_by: Mapping[str, str], step: Step) -> list[str]:
    return sorted({made_by[sha] for sha in step.inputs.values() if sha in made_by} - {step.made_by})


def _depths(made_by: Mapping[str, str], steps: Sequence[Step]) -> dict[str, int]:
    depth = {STRIP: 0}
    for _ in steps:
        for step in steps:
            depth[step.made_by] = 1 + max((depth.get(origin, 0) for origin in _origins(made_by, step)), default=0)
    return depth


def _read(model: type[Told], path: Path, what: str, remedy: str) -> Told:
    try:
        return model.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError):
        pass
    raise SourceFailure(Fault(f"is not a {what} of this release", remedy, where=str(path)))


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Names and values of nested results as one level.

    Examples
    --------
    >>> _flat({"auc": {"burglary": 0.93}, "pairs": 12})
    {'auc, burglary': 0.93, 'pairs': 12}
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{before}{name}, ") if isinstance(value, Mapping) else {f"{before}{name}": value}
    return found


def _action(column: str, on_seal: str, source: Source | None) -> str:
    """Tell what a seal on a column does, as precisely as the policy at hand allows."""
    if on_seal == "drop":
        return "row dropped"
    if on_seal == "element":
        return "element removed from the list"
    reference = next((ref for ref in source.references if ref.name == column), None) if source else None
    redaction = reference.redaction if reference else None
    if redaction is None:
        return "cells emptied, row kept"
    emptied = f"emptied: {', '.join(sorted(redaction.redact))}" if redaction.redact else ""
    reset = ", ".join(f"{name} set to {value}" for name, value in redaction.set.items())
    return f"row kept; {'; '.join(part for part in (emptied, reset) if part)}"


def _text_action(column: str, source: Source | None) -> str:
    text = source.text.get(column) if source else None
    if text is None:
        return "every declared number masked; where one is barred, text or sentence removed"
    gone = "sentence removed" if text.on_seal == "sentence" else "text emptied"
    return f"every {' and '.join(text.mentions)} masked; where one is barred, {gone}"


def _limits(policy: Policy | None) -> Iterator[str]:
    yield "Names that stand in a text without a number are not found."
    yield (
        "Everything here is relative to one policy: which columns hold identifiers, and what a seal does to each, "
        "is what the policy says. What it does not declare was not stripped."
    )
    yield "The register may lack a seal that was never delivered to it; no check of data can show that."
    yield (
        "New York law (CPL 160.60) deems an arrest that ended in the person's favour a nullity. Treating every barred "
        "record in that way, whatever its statute, is a rule of engineering here, no statement of law."
    )
    yield "A signature on this report or its files shows who said it and that it was not altered, not that it is true."
    yield "Counts from one to four are told as “under 5”, and what would give them away is withheld."
    yield "Nothing here is legal advice, and no court has approved it."
    if policy is None:
        return
    for name, feature in policy.features.items():
        if feature.stage:
            yield f"The feature table {name} is made by a stage of its own: clean by lineage, not by a checked query."
    touched = {
        "keep_redacted": "stays in the list, so that it may lead to the live record behind it",
        "drop": "leaves the list, so that its absence may show that there is one",
    }
    for name, output in policy.outputs.items():
        for column, named in output.columns.items():
            yield f"In the output {name}, a record in {column} that a seal only touches {touched[named.on_touched]}."
