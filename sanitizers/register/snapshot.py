"""A snapshot: the barred tokens for one purpose, as of one date, closed over the links.

Two files. ``NAME.snap`` holds what a strip depends on: its bytes change only when the barred set does.
``NAME.snap.json`` beside it holds the dates and the counts, which change every day.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

from sanitizers import publish
from sanitizers.errors import Fault, KeyFailure, RegisterFailure
from sanitizers.identifiers import Key, Kinds, sentinel_tokens
from sanitizers.register.links import BARRED_SCHEMA

FORMAT = 1
_ROWS = 1 << 20  # that are made at a time
_MARKS, _DATED_MARKS = (b"ARROW1", b"key_fingerprint", b"kinds_digest"), (b'"last_delivery"', b'"digest"')
_SCHEMA = pa.schema([("hi", pa.uint64()), ("lo", pa.uint64()), ("via", pa.uint16())])


@dataclass(frozen=True, repr=False)
class Barred:
    """Barred tokens of one kind, sorted; `via` tells by which link each came in (0: itself sealed)."""

    hi: np.ndarray
    lo: np.ndarray
    via: np.ndarray

    def __repr__(self) -> str:
        return f"Barred(n={len(self.hi)})"


@dataclass(frozen=True, repr=False)
class Snapshot:
    """The barred set and what it was made from; `links` counts the batches of links that it is closed over.

    Shows no token, and is not picklable.
    """

    purpose: str
    kinds: Kinds
    key_fingerprint: str
    digest: str
    via: tuple[str, ...]
    barred: Mapping[str, Barred]
    as_of: dt.date
    known_at: dt.date
    last_delivery: dt.date
    historical: bool = False
    not_barred: Mapping[str, int] = field(default_factory=dict)
    basis: str = ""
    rules: str = ""
    links: int = 0

    def __repr__(self) -> str:
        return f"Snapshot(n={self.size})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a snapshot is not pickled")

    @property
    def size(self) -> int:
        """How many identifiers are barred, sentinels not counted."""
        return sum(len(tokens.hi) for tokens in self.barred.values()) - len(self.barred)

    def check_key(self, key: Key) -> None:
        """Raise KeyFailure unless `key` is the one this snapshot was made with."""
        if key.fingerprint != self.key_fingerprint:
            fault = f"the key ({key.fingerprint}) is not the one the snapshot was made with ({self.key_fingerprint})"
            raise KeyFailure(Fault(fault, "name the register's own key with --key-file"))

    def age(self, today: dt.date) -> dt.timedelta:
        """Time since the register last received a delivery."""
        return max(today - self.last_delivery, dt.timedelta(0))

    def check_latest(self) -> None:
        """Raise RegisterFailure if the register knows more than this snapshot."""
        problem, remedy = "", "make one without --known-at"
        if self.as_of < self.last_delivery:
            problem = f"it is of {self.as_of}, and the register received a delivery on {self.last_delivery}"
            remedy = f"make one with --as-of {self.last_delivery} or later"
        elif self.historical:
            problem = f"it leaves out what the register came to know after {self.known_at}"
        if problem:
            raise RegisterFailure(Fault(f"only the latest snapshot may publish or judge: {problem}", remedy))

    def check_fresh(self, error_after: dt.timedelta) -> None:
        """Raise RegisterFailure if the register has received nothing for longer than `error_after`.

        Measured at the date that the snapshot answers for: the clock is an input.
        """
        if self.age(self.as_of) > error_after:
            days = self.age(self.as_of).days
            fault = Fault(
                f"the register has received nothing for {days} days, {error_after.days} are allowed",
                "take in the latest feed with `sealproof register add` (a delivery without new events is fine)",
            )
            raise RegisterFailure(fault)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The barred set as rows ``kind, hi, lo, via``, some at a time; sentinels included."""
        names = pa.array(self.via, pa.string())
        for kind, tokens in self.barred.items():
            for start in range(0, len(tokens.hi), _ROWS):
                hi, lo, via = (np.asarray(own[start : start + _ROWS]) for own in (tokens.hi, tokens.lo, tokens.via))
                columns = [pa.repeat(kind, len(hi)), pa.array(hi), pa.array(lo), names.take(pa.array(via))]
                yield pa.record_batch(columns, schema=BARRED_SCHEMA)


def among(hi: np.ndarray, lo: np.ndarray, known_hi: np.ndarray, known_lo: np.ndarray) -> np.ndarray:
    """Which tokens are among the known ones, that are sorted: found by the first half, confirmed by the second.

    Examples
    --------
    >>> known = np.array([5, 5, 7], np.uint64), np.array([1, 2, 3], np.uint64)
    >>> among(np.array([5, 7, 9], np.uint64), np.array([2, 2, 2], np.uint64), *known).tolist()
    [True, False, False]
    """
    found = np.zeros(len(hi), bool)
    place = np.searchsorted(known_hi, hi)
    rest = np.flatnonzero(place < len(known_hi))
    while len(rest):
        rest = rest[known_hi[place[rest]] == hi[rest]]
        found[rest] |= known_lo[place[rest]] == lo[rest]
        place[rest] += 1
        rest = rest[place[rest] < len(known_hi)]
    return found


def write(path: Path, *, purpose: str, kinds: Kinds, key: Key, barred: pa.Table, dated: dict[str, Any]) -> str:
    """Write the two files of a snapshot.

    Parameters
    ----------
    barred
        The closed barred set, rows of `BARRED_SCHEMA`, without sentinels.
    dated
        What changes with the day: see `Snapshot`.

    Returns
    -------
    str
        SHA-256 of the ``.snap`` file.
    """
    via = ["", *sorted({name for name in barred["via"].unique().to_pylist() if name})]
    header = {
        "format": FORMAT,
        "purpose": purpose,
        "kinds": kinds.plain,
        "kinds_digest": kinds.digest,
        "key_fingerprint": key.fingerprint,
        "via": via,
    }
    sink = pa.BufferOutputStream()
    schema = _SCHEMA.with_metadata({"sealproof": json.dumps(header, sort_keys=True)})
    with pa.ipc.new_file(sink, schema) as writer:
        for name in sorted(kinds):
            writer.write_batch(_batch(name, kinds, key, barred, via))
    content = sink.getvalue().to_pybytes()
    digest = hashlib.sha256(content).hexdigest()
    told = json.dumps({"format": FORMAT, "digest": digest, **dated}, indent=1, sort_keys=True).encode()
    publish.check_replaceable(_dated(path), marks=_DATED_MARKS)
    publish.replace_file(path, content, marks=_MARKS)
    publish.replace_file(_dated(path), told, marks=_DATED_MARKS)
    return digest


def _batch(name: str, kinds: Kinds, key: Key, barred: pa.Table, via: list[str]) -> pa.RecordBatch:
    own = barred.filter(pa.compute.equal(barred["kind"], name))
    guard = sentinel_tokens(name, kinds[name], key)
    hi = np.concatenate([own["hi"].to_numpy(), guard.hi])
    lo = np.concatenate([own["lo"].to_numpy(), guard.lo])
    number = {text: place for place, text in enumerate(via)}
    by = np.array([number[text] for text in own["via"].to_pylist()] + [0], np.uint16)
    order = np.lexsort((lo, hi))
    return pa.record_batch([pa.array(hi[order]), pa.array(lo[order]), pa.array(by[order])], schema=_SCHEMA)


def _dated(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def load(path: Path) -> Snapshot:
    """Read a snapshot, memory-mapped.

    Raises
    ------
    RegisterFailure
        Not there, not a snapshot of this format, or its two files do not belong together.
    """
    try:
        dated = json.loads(_dated(path).read_text(encoding="utf-8"))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        header = json.loads((reader.schema.metadata or {})[b"sealproof"])
        fault = None
        if header["format"] != FORMAT or dated["digest"] != digest:
            fault = "its two files do not belong together, or are of another format"
    except (OSError, ValueError, KeyError, pa.ArrowException):
        fault = "is not a snapshot, or its .json is not beside it"
    if fault:
        raise RegisterFailure(Fault(fault, "make one with `sealproof register snapshot`", where=str(path)))
    kinds = Kinds.parse(json.dumps(header["kinds"]))
    if kinds.digest != header["kinds_digest"]:
        remedy = "use the release that wrote it, or make a new snapshot"
        raise RegisterFailure(Fault("was made with another canonical form", remedy, where=str(path)))
    names = sorted(kinds)
    batches = {name: reader.get_batch(place) for place, name in enumerate(names)}
    barred = {name: Barred(*(column.to_numpy() for column in batch.columns)) for name, batch in batches.items()}
    return Snapshot(
        purpose=header["purpose"],
        kinds=kinds,
        key_fingerprint=header["key_fingerprint"],
        digest=digest,
        via=tuple(header["via"]),
        barred=barred,
        as_of=dt.date.fromisoformat(dated["as_of"]),
        known_at=dt.date.fromisoformat(dated["known_at"]),
        last_delivery=dt.date.fromisoformat(dated["last_delivery"]),
        historical=dated["historical"],
        not_barred=dated["not_barred"],
        basis=dated["basis"],
        rules=dated["rules"],
        links=dated.get("links", 0),  # closed over none: nothing is built on it
    )
