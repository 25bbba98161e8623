"""A first policy: what each column is taken for, checked and mended as `sealproof policy check` would have it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import yaml

from sanitizers.check import Checked, Proposal, check_policy
from sanitizers.check.findings import yaml_line
from sanitizers.errors import Fault, NothingChecked, SealproofError
from sanitizers.identifiers import Kinds
from sanitizers.init.kinds import SEALED, can_be_named, cells, guesses, is_key, missing_words
from sanitizers.init.raw import Found, RawSources
from sanitizers.init.repository import KINDS, LEGACY, POLICY, SNAPSHOT, Repository
from sanitizers.scan.columns import Likeness, known_anywhere, likenesses, name_words, shown

_ROUNDS = 8
_ABOUT = {"suspect", "perp", "perpetrator", "arrestee", "offender", "defendant"}
_TEXTS = {"narrative", "note", "notes", "remark", "remarks", "comment", "comments", "description", "text", "details"}
_WORDS = 3
_HEAD = """\
# What the raw sources look like, and what a seal does to each. Proposed by `sealproof init` from names of columns and a
# sample of cells: read every line marked as a guess, and take the mark away. Then run `sealproof policy check`.
"""
_KINDS_HEAD = """\
# The numbering systems of the register. Proposed by `sealproof init`: the register's keeper has the last word on each.
"""


@dataclass(frozen=True)
class Drafted:
    """Texts of ``kinds.yaml`` and ``sealing.yaml``, and what has to be told of them."""

    kinds: str
    policy: str
    notes: tuple[str, ...]


@dataclass
class _Draft:
    """A policy in the making: its content, and why each thing in it is guessed, by the keys that lead there."""

    content: dict[str, Any]
    why: dict[tuple[str, ...], str] = field(default_factory=dict)

    def plain(self) -> str:
        """The policy without marks."""
        return str(yaml.safe_dump(self.content, sort_keys=False, allow_unicode=True))

    def paste(self, proposal: Proposal, why: str) -> bool:
        """Take over what a check proposes; whether that changes anything."""
        pasted = yaml.safe_load(f"{{{proposal.text}}}")
        if not proposal.under or not isinstance(pasted, dict) or not _tellable(pasted):
            return False
        place = self.content
        for key in proposal.under:
            place = place.setdefault(key, {})
        before = dict(place)
        place.update(pasted)
        self.why |= {(*proposal.under, str(name)): why for name in pasted}
        return place != before


def drafted(repository: Repository, raw: RawSources) -> Drafted:
    """Propose kinds and a policy; where there are some, they are left, and the kinds are used.

    Raises
    ------
    NothingChecked
        No column looks like an identifier.
    """
    if repository.has(POLICY):
        return Drafted("", "", ())
    kinds_text = _KINDS_HEAD + "".join(f"{one.line}\n" for one in guesses(raw.sources))
    if repository.has(KINDS):
        kinds_text = (repository.root / KINDS).read_text(encoding="utf-8")
    elif kinds_text == _KINDS_HEAD:
        problem = "no column of the raw files looks like an identifier"
        remedy = f"write {KINDS} by hand (docs: sealing.yaml), then run `sealproof init` again"
        raise NothingChecked(Fault(problem, remedy, where=str(raw.folder)))
    kinds = Kinds.parse(kinds_text, where=KINDS)
    draft, left = _first(repository, raw, kinds)
    checked = _mended(draft, kinds, raw.folder)
    notes = [f"{name} holds no column that looks like an identifier, and is no source of the policy" for name in left]
    notes += [f"policy check will say: {finding.fault.column}: {finding.fault.problem}" for finding in checked.findings]
    unseen = [(fault.where or POLICY, fault.problem) for fault in checked.unchecked]
    notes += [f"policy check cannot look at {where}: {problem}" for where, problem in unseen]
    return Drafted("" if repository.has(KINDS) else kinds_text, _written(draft), tuple(notes))


def _first(repository: Repository, raw: RawSources, kinds: Kinds) -> tuple[_Draft, list[str]]:
    """A policy of what columns look like, and the files that are no source of it."""
    folder = repository.name_of(raw.folder)
    content: dict[str, Any] = {"version": 1, "rules": "us-ny", "purpose": "predictive-model", "raw": folder}
    content |= {"register": {"snapshot": SNAPSHOT}, "sources": {}, "gate": {"legacy": LEGACY}}
    draft = _Draft(content)
    draft.why[("rules",)] = "the statutes that seal here"
    draft.why[("purpose",)] = "what the clean data are for"
    draft.why[("raw",)] = "where the raw files lie"
    named = {source.name: _named(kinds, source) for source in raw.sources}
    left = []
    for source in raw.sources:
        if not named[source.name]:
            left.append(source.pattern)
            continue
        _add(draft, kinds, source, named)
    if not content["sources"]:
        problem = f"no column of the raw files looks like a kind of {KINDS}"
        raise NothingChecked(Fault(problem, "add the kinds that they hold, or write the policy", where=str(raw.folder)))
    return draft, left


def _named(kinds: Kinds, source: Found) -> dict[str, Likeness]:
    """The likeliest kind of each column that looks like one."""
    known = {name: kind for kind in kinds for name in source.rows.column_names if _means(name, source.name, kind)}
    found: dict[str, Likeness] = {}
    for one in likenesses(kinds, source.rows, names=known, missing=("", *_missing(source, source.rows.column_names))):
        if can_be_named(one.column.removesuffix("[]")):
            found.setdefault(one.column, one)
    return found


def _means(column: str, source: str, kind: str) -> bool:
    """Whether a column is named for a kind without saying ``number``; or is the number of what its source holds."""
    said = name_words(column) - {"number"} or name_words(source.removesuffix("s"))
    return name_words(kind) == said | {"number"}


def _missing(source: Found, columns: Sequence[str]) -> list[str]:
    names = [name.removesuffix("[]") for name in columns]
    return missing_words(source.rows[name] for name in names if name in source.rows.column_names)


def _add(draft: _Draft, kinds: Kinds, source: Found, named: Mapping[str, Mapping[str, Likeness]]) -> None:
    """Add one source."""
    own, under = named[source.name], ("sources", source.name)
    entry: dict[str, Any] = {"path": source.pattern}
    read = source.reading.model_dump(exclude_defaults=True)
    if read:
        entry["read"] = read
        draft.why[(*under, "read")] = "told from the start of the file"
    missing = _missing(source, list(own))
    if missing:
        entry["missing"] = ["", *missing]
        draft.why[(*under, "missing")] = "words for `no reference` that its identifier columns hold"
    key, why = _key(source, own)
    entry["primary_key"] = key[0] if len(key) == 1 else key
    draft.why[(*under, "primary_key")] = why
    elsewhere = {one.kind for name, other in named.items() if name != source.name for one in other.values()}
    dropping = _dropping(kinds, source, own, key)
    entry["columns"] = {}
    for column, one in own.items():
        entry["columns"][column] = _column(kinds, one, dropping=dropping, elsewhere=elsewhere)
        if one.kind == _sealed(kinds) and isinstance(entry["columns"][column]["on_seal"], dict):
            entry["columns"][column]["on_seal"]["redact"] = _about(source, own)
        told = f"{one.why}; {one.share:.0%} of its cells fit" if one.share else "its name"
        draft.why[(*under, "columns", column)] = f"told from {told}" if one.why != "name" else "told from its name"
    mentions = [name for name in known_anywhere(kinds) if kinds[name].scope != "person"]
    texts = _texts(source, own) if mentions else []
    if texts:
        entry["text"] = {name: {"mentions": mentions, "on_seal": "clear"} for name in texts}
        draft.why |= {(*under, "text", name): "told from its name" for name in texts}
    draft.content["sources"][source.name] = entry


def _about(source: Found, own: Mapping[str, Likeness]) -> list[str]:
    """Columns whose names say that they tell of the arrested person."""
    told = [name for name in source.rows.column_names if shown(name) == name and name not in own]
    return [name for name in told if name_words(name) & _ABOUT]


def _texts(source: Found, own: Mapping[str, Likeness]) -> list[str]:
    """Columns whose names say that they hold texts, and whose cells have some words."""
    named = [name for name in source.rows.column_names if shown(name) == name and name_words(name) & _TEXTS]
    texts = {name: cells(source.rows[name]) for name in named
             if name not in own and pa.types.is_string(source.rows[name].type)}  # fmt: skip
    return [name for name, own in texts.items() if own is not None and _worded(own)]


def _worded(texts: pl.Series) -> bool:
    return bool(len(texts)) and bool((texts.str.count_matches(r"\pL+") >= _WORDS).mean() > 0.5)  # type: ignore[operator]


def _key(source: Found, own: Mapping[str, Likeness]) -> tuple[list[str], str]:
    """The column, or the pair of columns, that tells the sampled rows apart."""
    flat = [name for name in own if not name.endswith("[]")]
    told = [name for name in source.rows.column_names if shown(name) == name]
    likely = [*flat, *(name for name in told if name not in flat and "number" in name_words(name))]
    for name in likely:
        if is_key(source.rows, [name]):
            return [name], "no value stands twice in the sample"
    for one in flat:
        for other in told:
            if other != one and is_key(source.rows, [one, other]):
                return [one, other], "no pair stands twice in the sample"
    return [likely[0] if likely else told[0]], "nothing tells the sampled rows apart; name what does"


def _dropping(kinds: Kinds, source: Found, own: Mapping[str, Likeness], key: Sequence[str]) -> list[str]:
    """Columns whose seal drops the row: its own number, and the number of the record that each row hangs on.

    A row hangs on what seals name where that is filled in every row.
    """
    found = [name for name in key if name in own and len(key) == 1 and kinds[own[name].kind].scope != "person"]
    if found and own[found[0]].kind == _sealed(kinds):
        return found
    for name, one in own.items():
        if one.kind == _sealed(kinds) and name not in found and not name.endswith("[]") and _filled(source, name):
            found.append(name)
    return found or [name for name in key if name in own and len(key) == 1]


def _sealed(kinds: Kinds) -> str:
    """The kind that seals name most likely."""
    for word in SEALED:
        for kind in kinds:
            if word in name_words(kind):
                return kind
    return next((name for name, kind in kinds.items() if kind.scope == "record"), "")


def _filled(source: Found, name: str) -> bool:
    column = source.rows[name]
    return not column.null_count and not missing_words([column]) and source.rows.num_rows > 0


def _column(kinds: Kinds, one: Likeness, *, dropping: Sequence[str], elsewhere: set[str]) -> dict[str, Any]:
    if one.column.endswith("[]"):
        return {"kind": one.kind, "on_seal": "element"}
    if one.column in dropping:
        return {"kind": one.kind, "on_seal": "drop"}
    carries = {"record": "any", "person": "all", "shared": ""}[kinds[one.kind].scope]
    carried = bool(carries) and one.kind in elsewhere and one.kind != _sealed(kinds) and one.why != "values"
    can = carried and (dropping if carries == "any" else len(dropping) == 1)
    return {"kind": one.kind, "on_seal": {"redact": []}} | ({"carries": carries} if can else {})


# -- as policy check would have it ------------------------------------------------------------------------------------


def _mended(draft: _Draft, kinds: Kinds, raw: Path) -> Checked:
    """Check the draft, and take over what is proposed, until nothing is found or nothing changes."""
    checked = _checked(draft, kinds, raw)
    for _ in range(_ROUNDS):
        pasted = [
            draft.paste(finding.proposals[0], f"as policy check proposes: {finding.fault.problem}")
            for finding in checked.findings
            if finding.proposals
        ]
        if not any(pasted):
            break
        checked = _checked(draft, kinds, raw)
    return checked


def _checked(draft: _Draft, kinds: Kinds, raw: Path) -> Checked:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / POLICY
        path.write_text(draft.plain(), encoding="utf-8")
        try:
            return check_policy(path, kinds, raw=raw)
        except SealproofError as error:
            return Checked((), error.faults)


def _tellable(pasted: Mapping[str, Any]) -> bool:
    """Whether all names of columns in a proposal may be written: where a header is missing, they are cells."""
    names = list(map(str, pasted))
    for value in pasted.values():
        on_seal = value.get("on_seal") if isinstance(value, dict) else None
        names += on_seal.get("redact", []) if isinstance(on_seal, dict) else []
    return all(shown(name) == name for name in names)


# -- as text ----------------------------------------------------------------------------------------------------------


def _written(draft: _Draft) -> str:
    """The policy as people read it: one line for each column, guesses marked."""
    lines = [_HEAD.rstrip()]
    for key, value in draft.content.items():
        if key == "sources":
            lines += ["", "sources:"]
            for name, source in value.items():
                lines += [f"  {name}:", *_source_lines(draft, name, source)]
            lines.append("")
        else:
            lines.append(_line(draft, (key,), key, value))
    return "\n".join(lines) + "\n"


def _source_lines(draft: _Draft, name: str, source: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, value in source.items():
        if key in ("columns", "text", "not_identifiers"):
            lines.append(f"    {key}:")
            lines += [f"      {_line(draft, ('sources', name, key, one), one, own)}" for one, own in value.items()]
        else:
            lines.append(f"    {_line(draft, ('sources', name, key), key, value)}")
    return lines


def _line(draft: _Draft, keys: tuple[str, ...], key: str, value: Any) -> str:
    why = draft.why.get(keys)
    return yaml_line(key, value) + (f"  # guess: {why}" if why else "")
