"""The gate: findings → verdict → exit code.

A clean verdict needs a decision. A target is clean only if it is a source whose identifiers were compared, or its
digest stands in a chain from a strip that the current snapshot confirms, or it was recomputed. Anything else was not
checked, and what was not checked does not pass.
"""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sanitizers import digest
from sanitizers.digest import CHAIN, CHAIN_FORMAT
from sanitizers.engine.contract import Lookup
from sanitizers.engine.forms import RawFile, Reading
from sanitizers.errors import (
    CLEAN,
    CONTAMINATED,
    COULD_NOT_CHECK,
    NOTHING_CHECKED,
    ConfigurationError,
    Fault,
    SealproofError,
)
from sanitizers.features import recompute
from sanitizers.identifiers import Key
from sanitizers.legacy import Legacy, State
from sanitizers.policy import Policy, Source
from sanitizers.queries import stored_as
from sanitizers.register.snapshot import Snapshot
from sanitizers.scan import readers
from sanitizers.scan.columns import Search, shown
from sanitizers.scan.names import Names, as_cells
from sanitizers.strip.receipt import HIDDEN, RECEIPT, SMALL, Receipt
from sanitizers.strip.roster import ROSTER, Roster
from sanitizers.trace import clean_files, lookups, raw_files
from sanitizers.verdict import DecidedBy, Target, Verdict

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _Strip:
    """A strip whose receipt, files and roster the current snapshot confirms."""

    folder: Path
    receipt: Receipt
    receipt_digest: str


@dataclass
class _Case:
    """What a run of the gate knows."""

    policy: Policy
    snapshot: Snapshot
    key: Key
    names: Names
    strips: list[_Strip] = field(default_factory=list)
    chains: list[dict[str, Any]] = field(default_factory=list)
    trusted: dict[str, str] = field(default_factory=dict)
    queries: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)


def judge(
    paths: Sequence[Path],
    *,
    policy: Policy,
    snapshot: Snapshot,
    key: Key,
    evidence: Sequence[Path] = (),
    progress: Progress = lambda _step, _done, _of: None,
) -> Verdict:
    """Judge files and folders.

    Parameters
    ----------
    paths
        Files, and folders that are walked. In a walk the policy's own raw sources are listed and not judged; named
        outright they are judged.
    evidence
        Further folders in which receipts and chains are looked for; those of `paths` always are.

    Raises
    ------
    SealproofError
        The key, the snapshot or the policy cannot be used at all. What is wrong with one target is said in its verdict.
    """
    snapshot.check_key(key)
    policy.against(snapshot.kinds)
    policy.check_usable(snapshot)
    case = _Case(policy, snapshot, key, Names(snapshot, key))
    if snapshot.age(snapshot.as_of) > policy.register_.warn_after:
        case.warnings.append(f"the register received nothing for {snapshot.age(snapshot.as_of).days} days")
    _gather(case, [*paths, *evidence])
    old = _legacy(policy)
    standing = {os.path.realpath(path) for path, state in old.items() if state == "as listed"}
    found = [one for one in _targets(paths, policy) if os.path.realpath(one[0]) not in standing]
    case.names.learn([*(path for path, _ in found), *old])
    targets = []
    for number, (path, settled) in enumerate(found):
        targets.append(replace(settled or _judge_file(case, path), path=case.names.told(path)))
        progress("judge", number + 1, len(found))
    return _verdict(case, targets, [replace(_judge_apart(case, path), path=case.names.told(path)) for path in old])


def _verdict(case: _Case, targets: Sequence[Target], apart: Sequence[Target]) -> Verdict:
    said = [target.verdict for target in targets]
    if "contaminated" in said:
        verdict, code = "contaminated", CONTAMINATED
    elif "clean" not in said and "ambiguous" not in said:
        verdict, code = "nothing checked", NOTHING_CHECKED
    elif "ambiguous" in said or "not checked" in said:
        verdict, code = "could not check", COULD_NOT_CHECK
    else:
        verdict, code = "clean", CLEAN
    snapshot = case.snapshot
    small = {name: HIDDEN if 0 < count < SMALL else count for name, count in snapshot.not_barred.items()}
    return Verdict(
        verdict=verdict,  # type: ignore[arg-type]
        exit_code=code,
        claim=_claim(case, apart) if code == CLEAN else "",
        purpose=case.policy.purpose,
        rules=snapshot.rules,
        basis=snapshot.basis,
        policy=case.policy.digest,
        snapshot=snapshot.digest,
        as_of=snapshot.as_of.isoformat(),
        known_at=snapshot.known_at.isoformat(),
        last_delivery=snapshot.last_delivery.isoformat(),
        key_fingerprint=snapshot.key_fingerprint,
        targets=tuple(targets),
        not_barred=small,
        warnings=tuple(case.warnings),
        legacy=tuple(apart),
    )


def _claim(case: _Case, apart: Sequence[Target]) -> str:
    claim = f"holds nothing barred for purpose {case.policy.purpose} under rules {case.snapshot.rules}"
    old = f"{len(apart)} file(s) older than the first strip" if apart else ""
    return f"{claim}; this is not said of {old}" if apart else claim


# -- which files ------------------------------------------------------------------------------------------------------


def _targets(paths: Sequence[Path], policy: Policy) -> list[tuple[Path, Target | None]]:
    raw = _raw_paths(policy)
    found: dict[Path, Target | None] = {}
    for path in paths:
        if path.is_dir():
            for file in _walk(path):
                found.setdefault(file, _passed_over(file, policy, raw))
        elif path.exists():
            found[path] = _passed_over(path, policy, set())
        else:
            raise ConfigurationError(Fault("no such file or folder", "mend the path", where=str(path)))
    return list(found.items())


def _walk(folder: Path) -> list[Path]:
    """Every file below a folder, hidden ones and those in linked folders too, and every folder that may not be read.

    A loop of links is walked once.
    """
    seen = {os.path.realpath(folder)}
    files: list[Path] = []
    for place, folders, names in os.walk(folder, followlinks=True, onerror=lambda e: files.append(Path(e.filename))):
        new = [name for name in folders if os.path.realpath(Path(place, name)) not in seen]
        seen.update(os.path.realpath(Path(place, name)) for name in new)
        folders[:] = new
        files.extend(Path(place, name) for name in names)
    return sorted(files)


def _raw_paths(policy: Policy) -> set[Path]:
    attached = [policy.resolve_raw(own.sqlite or own.duckdb or "") for own in policy.databases.values()]
    found = {Path(os.path.normpath(path.absolute())) for path in attached}
    with suppress(SealproofError):
        found |= {file.path.absolute() for own in raw_files(policy).values() for file in own}
    return found


def _passed_over(path: Path, policy: Policy, raw: set[Path]) -> Target | None:
    if Path(os.path.normpath(path.absolute())) in raw:
        reason = "a raw source of the policy; name it to judge it"
        return Target(str(path), None, "raw, not judged", "nothing", reason=reason)
    for pattern, reason in policy.gate.ignore.items():
        if path.match(pattern) or fnmatch.fnmatch(str(path), pattern):
            return Target(str(path), None, "ignored", "nothing", reason=reason)
    if not (path.is_file() and os.access(path, os.R_OK)):
        reason = "may not be read, or is a link that leads nowhere; ask for access, or bring what it stands for"
        return Target(str(path), None, "not checked", "nothing", reason=reason)
    if path.suffix in readers.POINTERS or _is_pointer(path):
        return Target(str(path), None, "not checked", "nothing", reason="only a pointer is here; pull the data first")
    return None


def _is_pointer(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(40).startswith(b"version https://git-lfs")


# -- what is older than the first strip -------------------------------------------------------------------------------


def _legacy(policy: Policy) -> dict[Path, State]:
    """Files of the policy's legacy list that are still what they were, or of which that cannot be seen."""
    if policy.gate.legacy is None:
        return {}
    legacy = Legacy.load(policy.resolve(policy.gate.legacy))
    return {legacy.folder / name: state for name, state in legacy.states().items()}


def _judge_apart(case: _Case, path: Path) -> Target:
    """What can be seen of an old file; it is never clean, whatever that is."""
    target = _judge_file(case, path)
    seen = "" if target.findings else "nothing barred was seen in it" if target.sha256 else "it could not be looked at"
    told = "; ".join(filter(None, ["older than the first strip", seen, target.reason]))
    return replace(target, verdict="legacy", reason=f"{told}; make it again from clean data, or purge it")


# -- receipts and chains ----------------------------------------------------------------------------------------------


def _gather(case: _Case, paths: Iterable[Path]) -> None:
    """Find receipts and chains, and keep the digests that they vouch for."""
    for feature in case.policy.features.values():
        if feature.sql is not None and case.policy.resolve(feature.sql).is_file():
            case.queries.add(digest.of_file(case.policy.resolve(feature.sql)))
    folders = {path if path.is_dir() else path.parent for path in paths}
    receipts = sorted({file.resolve() for folder in folders for file in folder.rglob(RECEIPT)})
    for path in receipts:
        _take_strip(case, path)
    seen = sorted({file.resolve() for folder in folders for file in folder.rglob(f"*{CHAIN}")})
    for path in seen:
        try:
            chain = json.loads(path.read_text(encoding="utf-8"))
            named = isinstance(chain["inputs"], dict) and isinstance(chain["outputs"], dict)
            if chain["format"] == CHAIN_FORMAT and named:
                case.chains.append(chain)
        except (OSError, ValueError, KeyError, TypeError):
            name, folder = map(case.names.told, (Path(path.name), Path(path.parent.name)))
            case.warnings.append(f"{name} in {folder} is not a chain")


def _take_strip(case: _Case, path: Path) -> None:
    folder = path.parent
    name = case.names.told(Path(folder.name))
    try:
        receipt = Receipt.read(path)
        clean = [file for file in receipt.files if not file.startswith(f"{ROSTER}/")]
        roster = Roster.read(folder / ROSTER, clean)
        actual = {file: digest.of_file(folder / file) for file in receipt.files}
    except SealproofError as error:
        case.warnings.append(f"the receipt in {name} does not stand: {error.faults[0].problem}")
        return
    problem = ""
    if actual != receipt.files:
        problem = "a file is not the one it names"
    elif receipt.policy != case.policy.digest:
        problem = "it was made under another policy"
    elif receipt.key_fingerprint != case.snapshot.key_fingerprint or receipt.kinds != case.snapshot.kinds.digest:
        problem = "it was made with another key or other kinds"
    elif roster.barred_by(case.snapshot):
        problem = "what stayed has been sealed since"
    elif receipt.snapshot != case.snapshot.digest and any(source.text for source in case.policy.sources.values()):
        problem = "it was made from an earlier snapshot, and what texts mention stands in no roster"
    elif receipt.snapshot != case.snapshot.digest:
        told = "was made from an earlier snapshot; its roster holds nothing barred"
        case.warnings.append(f"the strip in {name} {told}")
    if problem:
        case.warnings.append(f"the receipt in {name} does not stand: {problem}")
        return
    own = digest.of_file(path)
    case.strips.append(_Strip(folder, receipt, own))
    case.trusted.update({sha: f"receipt in {name}" for sha in [own, *receipt.files.values()]})


def _chained(case: _Case, sha: str, depth: int = 0) -> str | None:
    """By which chain a digest goes back to a strip that stands; None if it does not.

    A query of the policy beside other inputs changes nothing; alone it leads to no strip.
    """
    if sha in case.trusted:
        return case.trusted[sha]
    if depth > len(case.chains):
        return None
    for chain in case.chains:
        given = set(chain["inputs"].values()) - case.queries
        if sha in chain["outputs"].values() and given and all(_chained(case, one, depth + 1) for one in given):
            case.trusted[sha] = f"made by {chain.get('made_by', '?')} from inputs that go back to a strip"
            return case.trusted[sha]
    return None


# -- one file ---------------------------------------------------------------------------------------------------------


def _judge_file(case: _Case, path: Path) -> Target:
    reason = ""
    try:
        return _decide(case, path)
    except SealproofError as error:
        reason = "; ".join(fault.problem for fault in error.faults)
    return Target(str(path), None, "not checked", "nothing", reason=reason)


def _decide(case: _Case, path: Path) -> Target:
    sha = digest.of_file(path)
    source = _source_of(case, path)
    search = _search(case, path, source)
    findings = tuple(search.findings())
    certain = any(finding.certain for finding in findings)
    target = Target(str(path), sha, "not checked", "nothing", findings)
    if certain:
        return replace(
            target,
            verdict="contaminated",
            decided_by="identifiers compared",
            reason="holds identifiers that are barred",
        )
    if findings:
        reason = "hits do not exceed what chance gives; declare the column as a kind or under not_identifiers"
        return replace(target, verdict="ambiguous", decided_by="identifiers compared", reason=reason)
    if search.unsearched:
        names = sorted({shown(name) for name in search.unsearched})
        return replace(target, reason=f"cannot be searched: {', '.join(names)}")
    if source is not None:
        if search.misfits:
            reason = f"no such column, or cells that do not fit their kind: {', '.join(sorted(search.misfits))}"
            return replace(target, reason=reason)
        chain = _chained(case, sha)
        compared = search.compared > 0
        if compared or chain:
            decided: DecidedBy = "identifiers compared" if compared else "chain"
            return replace(target, verdict="clean", decided_by=decided, reason=chain or "")
        return replace(target, reason="it holds no identifier that could be compared, and stands in no receipt")
    recomputed = _recomputed(case, path)
    if recomputed is not None:
        return recomputed
    chain = "a query of the policy" if sha in case.queries else _chained(case, sha)
    if chain:
        return replace(target, verdict="clean", decided_by="chain", reason=chain)
    if _is_evidence(path):
        return replace(target, verdict="ignored", reason="evidence: digests of files, searched as text")
    if path.name in readers.HOUSEKEEPING:
        return replace(target, verdict="ignored", reason="housekeeping of a repository, searched as text")
    reason = "no receipt or chain vouches for it; identifiers alone do not show what it was computed from"
    return replace(target, reason=reason)


def _is_evidence(path: Path) -> bool:
    """Whether a file is a receipt or a chain and nothing else."""
    try:
        return bool(Receipt.read(path)) if path.name == RECEIPT else digest.is_chain(path)
    except SealproofError:
        return False


def _source_of(case: _Case, path: Path) -> tuple[str, Source] | None:
    """The source that a file is: a raw one by the policy's path, a clean one by where a strip that stands put it."""
    for name, source in case.policy.sources.items():
        if source.path is None or path.suffix.lower() != Path(source.path).suffix.lower():
            continue
        pattern = os.path.normpath(case.policy.resolve_raw(source.path).absolute())
        if Path(os.path.normpath(path.absolute())).match(pattern):
            return name, source
    for strip in case.strips:
        for name, files in clean_files(case.policy, strip.folder).items():
            if path.resolve() in {file.path.resolve() for file in files if file.name in strip.receipt.files}:
                return name, case.policy.sources[name]
    return None


def _search(case: _Case, path: Path, source: tuple[str, Source] | None) -> Search:
    """Search a file's name, its bytes, and what a reader shows of it."""
    innocent = set(source[1].not_identifiers) if source else _plain_columns(case, path)
    declared = _declared(case, source)
    search = Search(case.snapshot, case.key, declared=declared, innocent=innocent)
    search.take(as_cells(path.parts))
    own = (source[1].read, source[1].named) if source else (None, ())
    for piece in readers.cells(path, own[0], named=own[1]):
        if piece.words:
            search.take_words(piece.table.column(0))
        else:
            search.take(piece.table, strict=source is not None and piece.tabular)
        search.unsearched.update({piece.unsearched} - {""})
    return search


def _plain_columns(case: _Case, path: Path) -> set[str]:
    """Columns of a feature that are declared as numbers, truths or dates, and are: no identifiers stand there."""
    feature = case.policy.features.get(path.stem)
    if feature is None or path.suffix.lower() != ".parquet":
        return set()
    declared = {name: stored_as(kind) for name, kind in feature.columns.items() if kind not in ("token", "text")}
    stored = {column.name: column.type for column in RawFile(path, path.name, Reading()).schema}
    return {name for name, kind in declared.items() if kind and kind[1] == stored.get(name)}


def _declared(case: _Case, source: tuple[str, Source] | None) -> list[Lookup]:
    kinds = case.snapshot.kinds
    if source is not None:
        return lookups(source[1], kinds)
    by_name: dict[tuple[str, str], Lookup] = {}
    for own in case.policy.sources.values():
        for lookup in lookups(own, kinds):
            by_name.setdefault((lookup.name, lookup.kind_name), lookup)
    for output in case.policy.outputs.values():
        for name, kind in output.identifiers.items():
            missing = frozenset({""})
            lookup = Lookup(0, name, (name,), elements=False, kind_name=kind, kind=kinds[kind], missing=missing)
            by_name.setdefault((name, kind), lookup)
    return list(by_name.values())


def _recomputed(case: _Case, path: Path) -> Target | None:
    """Compare a feature file with the feature computed again from the strip that stands."""
    feature = case.policy.features.get(path.stem)
    if feature is None or feature.sql is None or path.suffix != ".parquet" or not case.strips:
        return None
    file = RawFile(path, path.name, Reading())
    own = digest.of_content(file.schema, file.batches(file.schema.names))
    same = any(own == recompute(case.policy, strip.folder, path.stem) for strip in case.strips)
    sha = digest.of_file(path)
    if same:
        reason = "equals the feature computed again from clean sources"
        return Target(str(path), sha, "clean", "recomputed", reason=reason)
    reason = "differs from the feature computed again from clean sources"
    return Target(str(path), sha, "contaminated", "recomputed", reason=reason)
