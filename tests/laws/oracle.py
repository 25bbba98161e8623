"""A strip in plain Python: given rows, a policy and the sealed identifiers, what stays and why the rest went.

A world is plain data: sources (rows as dicts, their policy as a dict), the kinds that are published as they are, events.
An identifier is ``(kind, token)``; a reason is a chain of them that starts at a seal.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import pyarrow as pa

from tests.identifiers import plain

KEY = "ab" * 32
KINDS = {
    "arrest": {"scope": "record", "pattern": "[BKMQS][0-9]{8}"},
    "photo": {"scope": "record", "pattern": "[0-9]{10}", "width": 10},
    "docket": {"scope": "shared", "pattern": "[0-9]{4}[A-Z]{2}[0-9]{4}"},
    "person": {"scope": "person", "pattern": "[0-9]{8}[A-Z]"},
    "case": {"scope": "record", "parts": ["person", "filed"]},
}
BAD = "does not fit its kind"
MASK = "RECORD"


class Mention(NamedTuple):
    """An identifier as a text writes it."""

    kind: str
    token: str
    written: str


class Text(str):
    """A text that knows its sentences: each a tuple of words and mentions that ends with its mark and blank."""

    sentences: tuple

    def __new__(cls, sentences):
        spoken = "".join(p.written if isinstance(p, Mention) else p for sentence in sentences for p in sentence)
        self = super().__new__(cls, spoken)
        self.sentences = tuple(map(tuple, sentences))
        return self


class Spelled(str):
    """A value of JSON lines that is no text, as it is written: ``1.50``."""


@dataclass(frozen=True)
class Source:
    """Rows of one source and what the policy says about them."""

    form: str
    types: dict[str, pa.DataType]
    rows: list[dict[str, Any]]
    columns: dict[str, dict[str, Any]]
    text: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: tuple[str, ...] = ("",)
    malformed: str = "error"
    read: dict[str, str] = field(default_factory=dict)
    cuts: tuple[int, ...] = ()
    absent: frozenset[str] = frozenset()  # columns of JSON lines that a line lacks where nothing is known


@dataclass(frozen=True)
class World:
    """Sources, how their kinds are published, and what the register has heard."""

    sources: dict[str, Source]
    plain: frozenset[str]
    events: list[dict[str, Any]]

    def with_rows(self, rows):
        """The same world with other rows (and no cuts)."""
        return replace(self, sources={name: replace(s, rows=rows[name], cuts=()) for name, s in self.sources.items()})


# -- reading ----------------------------------------------------------------------------------------------------------


def parts_of(name):
    """Columns that a declared column is read from."""
    return name[1:-1].split(", ") if name.startswith("[") else [steps_of(name)[0]]


def steps_of(name):
    """``c[].id`` → c, [], id: a column, fields of structs, elements of a list."""
    return name.replace("[]", ".[]").split(".")


def list_of(name):
    """Name of the list that a name goes through; None if there is none."""
    return name.partition("[]")[0] if "[]" in name else None


def cells_at(value, steps):
    """(place, cell) of everything that stands at a name: one cell, or one for each element of the list on the way."""
    if not steps:
        return [(0, value)]
    if steps[0] == "[]":
        return [(place, cell) for place, one in enumerate(value or []) for _, cell in cells_at(one, steps[1:])]
    return cells_at(None if value is None else value[steps[0]], steps[1:])


def changed(value, steps, change, places=None):
    """A row, struct or list with other cells at a name; where a struct on the way is null, nothing changes."""
    if not steps:
        return change(value)
    if value is None:
        return None
    if steps[0] == "[]":
        found = enumerate(value)
        return [changed(one, steps[1:], change) if places is None or place in places else one for place, one in found]
    return value | {steps[0]: changed(value[steps[0]], steps[1:], change, places)}


def drops(declared):
    """Whether a seal drops the row."""
    return declared["on_seal"] == "drop"


def identifiers(source, row, name, declared):
    """(place, token) of every reference in one cell; BAD for one that does not fit."""
    kind, found = declared["kind"], []
    cells = enumerate([[row[part] for part in parts_of(name)]])
    if not name.startswith("["):
        cells = [(place, [cell]) for place, cell in cells_at(row, steps_of(name))]
    for place, parts in cells:
        texts = [plain.text_of(cell) for cell in parts]
        texts = [None if text in source.missing else text for text in texts]
        if all(text is None for text in texts):
            continue
        text = "?" if None in texts else "|".join(texts)
        found.append((place, plain.looked_up(KEY, kind, KINDS[kind], text) or BAD))
    return found


def tokens(source, row):
    """Declared column → its (place, token)."""
    return {name: identifiers(source, row, name, declared) for name, declared in source.columns.items()}


# -- what is barred ---------------------------------------------------------------------------------------------------


def links(world):
    """(mode, carrier, carried, where) of every pair that stands in one row."""
    found = set()
    for place, source in world.sources.items():
        for row in source.rows:
            cells = tokens(source, row)
            for name, declared in source.columns.items():
                if "carries" in declared:
                    for other, carrier in source.columns.items():
                        if other != name and drops(carrier):
                            for _, one in cells[other]:
                                for _, two in cells[name]:
                                    if BAD not in (one, two):
                                        pair = (carrier["kind"], one), (declared["kind"], two)
                                        found.add((declared["carries"], *pair, f"{place}.{name}"))
    return found


def barred(world, sealed, remembered=frozenset()):
    """Every barred identifier → the chain of identifiers that explains it."""
    reasons = {identifier: (identifier,) for identifier in sealed}
    pairs = links(world) | set(remembered)
    while True:
        new = {}
        for mode, carrier, carried, _ in pairs:
            carriers = [one for m, one, two, _ in pairs if m == "all" and two == carried]
            reached = carrier in reasons if mode == "any" else all(one in reasons for one in carriers)
            if reached and carried not in reasons:
                new[carried] = (*reasons[carrier], carried)
        if not new:
            return reasons
        reasons |= new


# -- what happens to a row --------------------------------------------------------------------------------------------


def hits(source, row, reasons):
    """Declared column → places of its barred identifiers."""
    kinds = {name: declared["kind"] for name, declared in source.columns.items()}
    cells = tokens(source, row)
    return {name: [p for p, t in own if (kinds[name], t) in reasons] for name, own in cells.items()}


def goes(source, row, reasons):
    """Why a row goes: ``sealed``, ``malformed`` or None."""
    if any(token == BAD for own in tokens(source, row).values() for _, token in own):
        return "malformed"
    found = hits(source, row, reasons)
    return "sealed" if any(found[name] and drops(declared) for name, declared in source.columns.items()) else None


def without(text, reasons):
    """A text without the sentences that mention something barred; None where nothing is left."""
    left = [s for s in text.sentences if not any(isinstance(p, Mention) and p[:2] in reasons for p in s)]
    return Text(left) or None


def touched(source, row, reasons):
    """A row that stays, without what a seal reaches in it; the texts as they were written."""
    found = hits(source, row, reasons)
    clean = dict(row)
    for name, text in source.text.items():
        written = row[name]
        mentions = written is not None and any(
            isinstance(p, Mention) and p[:2] in reasons and p.kind in text["mentions"]
            for s in written.sentences
            for p in s
        )
        if text["on_seal"] == "clear" and (mentions or any(found.values())):
            clean[name] = None
        elif text["on_seal"] == "sentence" and mentions:
            clean[name] = without(written, {r for r in reasons if r[0] in text["mentions"]})
    acting = [(name, declared) for name, declared in source.columns.items() if found[name] and not drops(declared)]
    for after in ("redact", "set"):
        for name, declared in acting:
            for target, value in _targets(name, declared, after):
                places = found[name] if list_of(target) and list_of(target) == list_of(name) else None
                clean = changed(clean, steps_of(target), lambda _, value=value: value, places)
    gone = {}
    for name, declared in acting:
        if declared["on_seal"] == "element":
            gone[list_of(name)] = {*gone.get(list_of(name), []), *found[name]}
    for name, places in gone.items():
        clean = changed(clean, steps_of(name), lambda cells, gone=places: cells and _others(cells, gone))
    return clean


def _targets(name, declared, after):
    """(name, value) of what a redaction empties, with the identifier itself, or sets."""
    if declared["on_seal"] == "element":
        return []
    if after == "set":
        return list(declared["on_seal"].get("set", {}).items())
    own = parts_of(name) if name.startswith("[") else [name]
    return [(target, None) for target in [*declared["on_seal"].get("redact", []), *own]]


def _others(cells, gone):
    return [cell for place, cell in enumerate(cells) if place not in gone]


def forgotten(world, reasons):
    """The raw rows as the policy says they would stand had the sealed arrests not happened; malformed ones as they are."""
    rows = {}
    for name, source in world.sources.items():
        fates = [(row, goes(source, row, reasons)) for row in source.rows]
        rows[name] = [row if fate else touched(source, row, reasons) for row, fate in fates if fate != "sealed"]
    return rows


def published(world, name, row):
    """A row as clean files show it: tokens instead of identifiers, mentions masked."""
    source = world.sources[name]
    clean = dict(row)
    for column, declared in source.columns.items():
        if declared["kind"] not in world.plain:
            cells = {place: f"tok_{token}" for place, token in identifiers(source, row, column, declared)}
            if column.endswith("[]"):  # of an element that is nothing but an identifier nothing is left without one
                clean = changed(clean, steps_of(column)[:-1], lambda given, c=cells: given and list(c.values()))
            elif list_of(column):
                inner = steps_of(column)[steps_of(column).index("[]") + 1 :]
                for place in range(len(cells_at(row, steps_of(column)))):
                    steps = [*steps_of(list_of(column)), "[]", *inner]
                    clean = changed(clean, steps, lambda _, c=cells, p=place: c.get(p), [place])
            else:
                clean = changed(clean, steps_of(column), lambda _, c=cells: c.get(0))
    for column, text in source.text.items():
        if isinstance(row[column], Text):
            sentences = [
                [MASK if isinstance(p, Mention) and p.kind in text["mentions"] else p for p in s]
                for s in row[column].sentences
            ]
            clean[column] = str(Text(sentences))
    return clean


def stripped(world, reasons):
    """Source → the clean rows."""
    rows = {}
    for name, source in world.sources.items():
        staying = [row for row in source.rows if not goes(source, row, reasons)]
        rows[name] = [published(world, name, touched(source, row, reasons)) for row in staying]
    return rows


def policy(world):
    """The world's policy as plain data, ready for sealing.yaml."""
    sources = {}
    for name, source in world.sources.items():
        own = {"path": f"raw/{name}/*.{source.form}", "primary_key": parts_of(next(iter(source.columns)))}
        own |= {"columns": source.columns, "missing": list(source.missing), "malformed": source.malformed}
        own |= {"text": source.text} if source.text else {}
        own |= {"read": source.read} if source.read else {}
        sources[name] = own
    publish = {kind: "plain" if kind in world.plain else "token" for kind in KINDS}
    return {
        "version": 1,
        "rules": "us-ny",
        "purpose": "predictive-model",
        "register": {"snapshot": "seals.snap"},
        "publish": publish,
        "sources": sources,
    }


def kinds_yaml():
    """The kinds as text."""
    return json.dumps(KINDS)


def token_of(kind, identifier):
    """Token of an identifier written properly."""
    return plain.looked_up(KEY, kind, KINDS[kind], identifier)
