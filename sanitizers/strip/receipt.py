"""The receipt and the roster of one strip: what went and what stayed, never who.

A receipt holds counts and the SHA-256 of every published file. Counts from one to four are not told; the keeper's copy
has them.

A roster holds, per kind, the sorted 64-bit prefixes of the tokens that stayed, with their file. It is compared with a
snapshot without any key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import ibis
import ibis.expr.types as ir
import numpy as np
import polars as pl
import pyarrow as pa

from sanitizers.engine.contract import SENTINEL_ROW, Engine
from sanitizers.errors import Fault, SourceFailure
from sanitizers.policy import Reference
from sanitizers.register.snapshot import Snapshot
from sanitizers.trace import Reached, each_once

FORMAT = 1
SMALL = 5
HIDDEN, WITHHELD = f"under {SMALL}", "withheld"
RECEIPT, ROSTER = "receipt.json", "roster.arrow"
Count = int | str


@dataclass(frozen=True)
class SourceCounts:
    """What happened to one source.

    Parameters
    ----------
    rows_in, rows_kept, rows_dropped
        Rows; in = kept + dropped.
    rows_changed
        Rows that stay and lose cells, list elements or a text.
    columns
        Per identifier column: its kind, what a seal does, rows hit, and how many of these came in by which link.
    texts
        Per text column: texts with a barred mention.
    missing
        Per identifier column: cells that hold no reference in the clean source, emptied ones among them.
    malformed
        Rows dropped because an identifier does not fit its kind (only with `malformed: drop`).
    """

    rows_in: Count
    rows_kept: Count
    rows_dropped: Count
    columns: dict[str, dict[str, Any]]
    texts: dict[str, Count]
    missing: dict[str, Count]
    malformed: Count = 0
    rows_changed: Count = 0


@dataclass(frozen=True)
class Receipt:
    """What one strip did. Says who did what to which files, and no identity."""

    policy: str
    purpose: str
    rules: str
    basis: str
    snapshot: str
    key_fingerprint: str
    kinds: str
    sources: dict[str, SourceCounts]
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def public(self) -> Receipt:
        """The receipt with counts from one to four withheld, and what would give them away."""
        return replace(self, sources={name: _public(counts) for name, counts in self.sources.items()})

    def to_json(self) -> str:
        """JSON, sorted and indented: equal receipts give equal bytes."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def read(cls, path: Path) -> Receipt:
        """Read a receipt.

        Raises
        ------
        SourceFailure
            Not there, or not a receipt of this format.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] == FORMAT:
                content["sources"] = {name: SourceCounts(**counts) for name, counts in content["sources"].items()}
                return cls(**content)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        raise SourceFailure(Fault("is not a receipt of this release", "run `sealproof strip` again", where=str(path)))


def _small(count: Count) -> Count:
    return HIDDEN if isinstance(count, int) and 0 < count < SMALL else count


def _public(counts: SourceCounts) -> SourceCounts:
    columns = {name: _public_column(told) for name, told in counts.columns.items()}
    dropping = {name for name, told in columns.items() if told["on_seal"] == "drop"}

    def union(total: Count, names: Iterable[str], others: Iterable[Count]) -> Count:
        withheld = any(columns[name]["rows"] == WITHHELD for name in names)
        told = _union(total, [*(counts.columns[name]["rows"] for name in names), *others])
        return WITHHELD if withheld and told != HIDDEN else told

    dropped = union(counts.rows_dropped, dropping, [counts.malformed])
    return replace(
        counts,
        rows_in=counts.rows_in if isinstance(dropped, int) else dropped,
        rows_dropped=dropped,
        columns=columns,
        texts={name: _small(count) for name, count in counts.texts.items()},
        malformed=_small(counts.malformed),
        rows_changed=union(counts.rows_changed, columns.keys() - dropping, counts.texts.values()),
    )


def _union(total: Any, causes: Sequence[Any]) -> Count:
    """A count of rows that several causes share, withheld where what the causes leave of it is a small count."""
    apart = [total - cause for cause in causes] + [sum(causes) - total]
    tells = any(_small(count) == HIDDEN for count in [*causes, *apart])
    return WITHHELD if tells and total >= SMALL else _small(total)


def _public_column(told: dict[str, Any]) -> dict[str, Any]:
    """Counts of one column; the total is withheld where what the links leave of it would give a small count away."""
    links = {via: _small(rows) for via, rows in told["by_link"].items()}
    direct = told["rows"] - sum(told["by_link"].values())
    tells = bool(links) and (0 < direct < SMALL or HIDDEN in links.values())
    return {**told, "rows": WITHHELD if tells else _small(told["rows"]), "by_link": links}


def count(engine: Engine, reached: Reached) -> SourceCounts:
    """Count what a strip does to one source."""
    read = reached.read
    references = read.source.references
    by_link = [row for number, ref in enumerate(references) for row in _rows_by_link(engine, reached, number, ref)]
    columns = {
        ref.name: {
            "kind": ref.kind,
            "on_seal": ref.column.on_seal if isinstance(ref.column.on_seal, str) else "redact",
            "rows": sum(rows for ref_number, _, rows in by_link if ref_number == number),
            "by_link": {via: rows for ref_number, via, rows in by_link if ref_number == number and via},
        }
        for number, ref in enumerate(references)
    }
    texts: dict[str, Count] = dict.fromkeys(read.source.text, 0)
    if reached.mentioned is not None:
        own = reached.mentioned.group_by("ref").agg(rows=reached.mentioned.row.nunique())
        for row in engine.fetch(own).to_pylist():
            texts[list(texts)[row["ref"]]] = row["rows"]
    return SourceCounts(
        rows_in=read.tally.rows,
        rows_kept=read.tally.rows - len(reached.gone),
        rows_dropped=len(reached.gone),
        columns=columns,
        texts=texts,
        missing={ref.name: _missing(engine, reached, number) for number, ref in enumerate(references)},
        malformed=sum(len(found) for _, _, found in read.tally.malformed),
        rows_changed=_rows_changed(engine, reached),
    )


def _missing(engine: Engine, reached: Reached, number: int) -> int:
    """Cells of one reference that hold none in the clean source: a count that its file tells as well, and no more."""
    read = reached.read
    if read.source.references[number].elements:
        return sum(int((~reached.goes(rows)).sum()) for rows in read.tally.missing.get(number, []))
    present = engine.without(_unhit(reached, [number]), reached.gone, column="row").count()
    return read.tally.rows - len(reached.gone) - int(engine.fetch(present.as_table()).column(0)[0].as_py())


def _rows_changed(engine: Engine, reached: Reached) -> int:
    changing = [number for number, ref in enumerate(reached.read.source.references) if not ref.drops]
    rows = engine.without(reached.hits, reached.gone, column="row")
    rows = rows.filter(rows.ref.isin(changing)).select("row")
    if reached.mentioned is not None:
        rows = rows.union(reached.mentioned.select("row"))
    return int(engine.fetch(rows.distinct().count().as_table()).column(0)[0].as_py())


def _rows_by_link(engine: Engine, reached: Reached, number: int, ref: Reference) -> list[tuple[int, str, int]]:
    """Rows hit through one reference, by the link that brought the seal; a row of a list counts for its first link."""
    hits = reached.hits.filter(reached.hits.ref == number).select("row", "via")
    if ref.elements:
        hits = hits.group_by("row").agg(via=hits.via.min())
    table = engine.fetch(hits.group_by("via").agg(rows=hits.count()).order_by("via"))
    return [(number, via, rows) for via, rows in zip(*(column.to_pylist() for column in table.columns), strict=True)]


# -- roster -----------------------------------------------------------------------------------------------------------

_ROSTER_SCHEMA = pa.schema([("prefix", pa.uint64()), ("file", pa.uint16())])


@dataclass(frozen=True, repr=False)
class Roster:
    """Per kind, the prefixes of the tokens that stayed and the number of the file each stands in."""

    files: tuple[str, ...]
    kinds: Mapping[str, tuple[np.ndarray, np.ndarray]]

    def __repr__(self) -> str:
        return f"Roster(n={sum(len(prefix) for prefix, _ in self.kinds.values())})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a roster is not pickled")

    @classmethod
    def read(cls, path: Path) -> Roster:
        """Open a roster, memory-mapped.

        Raises
        ------
        SourceFailure
            Not there, or not a roster.
        """
        try:
            reader = pa.ipc.open_file(pa.memory_map(str(path)))
            header = json.loads((reader.schema.metadata or {})[b"sealproof"])
            kinds = {
                kind: tuple(column.to_numpy() for column in reader.get_batch(place).columns)
                for place, kind in enumerate(header["kinds"])
            }
            return cls(tuple(header["files"]), kinds)
        except (OSError, ValueError, KeyError, pa.ArrowException):
            pass
        raise SourceFailure(Fault("is not a roster", "run `sealproof strip` again", where=str(path)))

    def barred_by(self, snapshot: Snapshot) -> dict[str, dict[str, int]]:
        """How many barred prefixes stand in which file, per kind; empty when nothing barred is left."""
        found: dict[str, dict[str, int]] = {}
        for kind, (prefix, file) in self.kinds.items():
            if kind not in snapshot.barred:
                continue
            hits = file[np.isin(prefix, snapshot.barred[kind].hi, kind="sort")]
            if len(hits):
                numbers, counts = np.unique(hits, return_counts=True)
                found[kind] = {self.files[n]: int(c) for n, c in zip(numbers, counts, strict=True)}
        return found


def write_roster(engine: Engine, sources: Mapping[str, Reached], path: Path) -> None:
    """Write the roster of everything that stays."""
    files = [part.name for reached in sources.values() for part in reached.read.parts]
    kinds = sorted({ref.kind for reached in sources.values() for ref in reached.read.source.references})
    header = {"format": FORMAT, "files": files, "kinds": kinds}
    schema = _ROSTER_SCHEMA.with_metadata({"sealproof": json.dumps(header, sort_keys=True)})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for kind in kinds:
            writer.write_batch(_stayed(engine, sources, kind))


def _stayed(engine: Engine, sources: Mapping[str, Reached], kind: str) -> pa.RecordBatch:
    found, first = [], 0
    for reached in sources.values():
        read = reached.read
        own = [number for number, ref in enumerate(read.source.references) if ref.kind == kind]
        if own:
            tokens = engine.fetch(_unhit(reached, own).select("hi", "row"))
            row = tokens["row"].to_numpy()
            stays = ~reached.goes(row)
            prefix, ends = tokens["hi"].to_numpy()[stays], read.tally.start[1:]
            file = np.searchsorted(ends, row[stays], side="right") if len(ends) > 1 else np.int64(0)
            found.append((prefix, np.asarray(file + first, np.uint16)))
        first += len(read.parts)
    if len(found) == 1 and not found[0][1].ndim:
        prefix = each_once(found[0][0])
        return pa.record_batch([prefix, np.full(len(prefix), found[0][1])], schema=_ROSTER_SCHEMA)
    frames = [pl.DataFrame({"prefix": prefix, "file": np.broadcast_to(file, len(prefix))}) for prefix, file in found]
    kept = pl.concat(frames).unique().sort("prefix", "file")
    return pa.record_batch([kept[name].to_arrow() for name in _ROSTER_SCHEMA.names], schema=_ROSTER_SCHEMA)


def _unhit(reached: Reached, own: Sequence[int]) -> ir.Table:
    """Tokens of some references of one source whose cells no seal empties; rows that go are among them."""
    references, hits = reached.read.source.references, reached.hits
    tokens = reached.read.tokens
    tokens = tokens.filter(tokens.ref.isin(own), tokens.row != SENTINEL_ROW)
    if not all(references[number].drops for number in own):
        tokens = tokens.anti_join(hits, ["ref", "row", "pos"])
    for number, emptying in _emptied(references, own):
        rows = hits.filter(hits.ref.isin(emptying)).select("row").distinct()
        tokens = tokens.anti_join(rows.mutate(ref=ibis.literal(number, "int16")), ["ref", "row"])
    return tokens


def _emptied(references: Sequence[Reference], own: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """References whose cells a seal on other references empties, with these."""
    for number in own:
        parts = {*references[number].parts}
        emptying = [
            other
            for other, ref in enumerate(references)
            if other != number and ref.redaction and {*ref.redaction.redact, *ref.redaction.set} & parts
        ]
        if emptying:
            yield number, emptying


__all__ = ["RECEIPT", "ROSTER", "Receipt", "Roster", "SourceCounts", "count", "write_roster"]
